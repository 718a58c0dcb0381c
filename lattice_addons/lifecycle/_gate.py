"""A snapshot is taken when no thread is inside a closed section."""

from __future__ import annotations

import _thread
import threading
from typing import TYPE_CHECKING, Protocol

from ._process import is_main_thread

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Gate"]


class Act(Protocol):
    """What waits for an open gate."""

    def __call__(self, *, safe: bool) -> None:
        """Do it; ``safe`` says that this is a safe point of a resumed loop."""


class _Busy:
    """The time in which one thread makes a save."""

    __slots__ = ("_counts", "_gate")

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        # Signals are served by the main thread only: a save in another thread makes none of them wait.
        self._counts = is_main_thread()

    def __enter__(self) -> None:
        if self._counts:
            self._gate.saves += 1

    def __exit__(self, *error: object) -> None:
        if self._counts:
            self._gate.saves -= 1
            self._gate.serve()


# Final for mypy only: the C type may be subclassed.
class Gate(_thread.RLock):  # type: ignore[misc]
    """Closed sections of one group: re-entrant, one thread at a time; what falls due inside waits.

    ``__enter__`` is the lock's own, in C: no signal can come between taking the lock and being inside.
    """

    def __init__(self) -> None:
        self.saves = 0  # how many saves deep the main thread is
        self._due: list[Act] = []
        # Of each thread, which alone changes its own: the loop, and whether the element is a whole, within which
        # nothing is a safe point.
        self._elements: dict[int, list[tuple[str, bool]]] = {}

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Open the gate; serve what fell due inside."""
        # Released first, looked at second: a signal before the release is on the list when we look, a signal
        # after it finds the gate open and is served at once.
        self.release()
        if self._due:
            self.serve()

    @property
    def closed_here(self) -> bool:
        """Whether the calling thread is inside a section, or the main thread is in the middle of a save."""
        return self._is_owned() or self.saves > 0  # type: ignore[attr-defined]

    @property
    def mid_element(self) -> tuple[str, ...]:
        """The loops of ``group.resume`` that are in the middle of an element, in any thread."""
        return tuple(key for inside in list(self._elements.values()) for key, _ in inside)

    @property
    def main_mid_element(self) -> bool:
        """Whether a loop of the main thread is in the middle of an element: such a loop is waited for."""
        return bool(self._elements.get(threading.main_thread().ident or 0))

    def busy(self) -> _Busy:
        """Give the time of a save: signals wait for its end; other threads are not kept out of sections."""
        return _Busy(self)

    def when_open(self, act: Act) -> None:
        """Have the main thread do something when its sections and saves end (or at the next safe point)."""
        if act not in self._due:
            self._due.append(act)

    def serve(self, *, safe: bool = False) -> None:
        """Do what is due, if this is the main thread and nothing is closed."""
        if not self._due or not is_main_thread() or self.closed_here:
            return
        # What is still not possible puts itself on the list again. When the user's own handler raises,
        # the rest stays on the list.
        for act in tuple(self._due):
            if act in self._due:
                self._due.remove(act)
                act(safe=safe)

    def element(self, key: str, *, whole: bool = False) -> None:
        """Mark the start of an element of a resumed loop in this thread.

        One that is a ``whole`` (a batch, a step) can only be done again as a whole: nothing within it is a safe point.
        """
        self._elements.setdefault(_thread.get_ident(), []).append((key, whole))

    def between(self, key: str | None = None) -> None:
        """Mark the end of this thread's innermost element (or of this loop's): a safe point, outside of a whole."""
        self.leave(key)
        if self._due and not any(whole for _, whole in self._elements.get(_thread.get_ident(), ())):
            self.serve(safe=True)

    def leave(self, key: str | None = None) -> None:
        """Forget an element whose loop was broken off: no safe point, and nothing is served here."""
        inside = self._elements.get(_thread.get_ident(), [])
        for position in range(len(inside) - 1, -1, -1):
            if key in (None, inside[position][0]):
                del inside[position]
                return

    def after_fork(self) -> None:
        """Make the gate usable in a forked child, whose other threads are gone and who serves nothing."""
        self._due.clear()
        self._elements.clear()
        # Where the forking thread itself is inside a section it stays inside, and leaves as usual.
        if not self._is_owned():  # type: ignore[attr-defined]
            self._at_fork_reinit()  # type: ignore[attr-defined]
