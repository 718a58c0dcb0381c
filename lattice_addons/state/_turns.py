"""A loop works on one element at a time, and the moment between two of them is a safe point."""

from __future__ import annotations

import itertools
import threading
import weakref
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from lattice_addons.lifecycle import is_ending

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from typing_extensions import Self

    from ._session import Session

__all__ = ["Turns", "at_safe_point", "finish_element", "running", "running_here"]

Element = TypeVar("Element")
# What a step between two safe points of a program's own loop is called in a checkpoint's notes.
_STEP = "step"
_PLACES = itertools.count()


class Turns(Generic[Element]):
    """A loop with safe points: an iterator that knows whether its element is finished.

    A subclass says where elements come from (``take``), what it means that one is finished (``count``), and that there
    are no more (``end``) or that it was left before (``left``).
    """

    __module__ = "lattice_addons.state"

    #: Whether an element can only be done again as a whole, so that nothing within it is a safe point.
    whole: ClassVar[bool] = False

    _running = False

    def __init__(self, session: Session, key: str) -> None:
        self.key = key
        self.thread: int = threading.get_ident()
        self.place: int = next(_PLACES)  # when the loop began
        self.since: int = self.place  # when its element did
        self.within: bool = False
        self.at_work: bool = False  # the program is in its body, or asks for its next element
        self._session = session
        # Weakly, so that a loop that was broken out of goes when the program lets go of it.
        self._reference = weakref.ref(self)
        self._running = True
        session.loops.append(self._reference)

    @property
    def index(self) -> object:
        """The number of the current element, in a form that a checkpoint keeps."""
        raise NotImplementedError

    def take(self) -> Element:
        """Give the next element, or raise StopIteration."""
        raise NotImplementedError

    def count(self) -> None:
        """Take note that the current element is finished."""

    def end(self) -> None:
        """Take note that there are no more elements."""

    def enclose(self, key: str) -> None:
        """Take note that a resumed loop begins while the current element is worked on."""

    def left(self) -> Callable[[], None] | None:
        """Take note that the loop is left before its end; give what is to be done if the program goes on without it."""
        return None

    def __iter__(self) -> Self:
        """Be an iterator."""
        return self

    def __next__(self) -> Element:
        """Finish the current element, serve what is due, and give the next one."""
        gate = self._session.gate
        if self._session.broken_off:
            self.go_on(self._session)
        self._finish_what_is_within()
        self.finish_element()
        self.at_work = True
        gate.between(self.key)
        try:
            element = self.take()
        except StopIteration:
            self.end()
            self._leave()
            raise
        self.since = next(_PLACES)
        self.within = True
        gate.element(self.key, whole=self.whole)
        return element

    def finish_element(self) -> None:
        """Count the current element as finished, once."""
        if self.within:
            self.within = False
            self.count()

    def _finish_what_is_within(self) -> None:
        # A batch that was taken while this element was worked on was for it: both are done.
        if self.within:
            for loop in running_here(self._session):
                if loop.whole and loop.within and loop.since > self.since:
                    loop.finish_element()
                    loop.at_work = False
                    self._session.gate.leave(loop.key)

    @staticmethod
    def around(session: Session) -> list[list[object]]:
        """Say within which elements of which loops of this thread the program is."""
        return [[loop.key, loop.index] for loop in running_here(session) if loop.within or not loop.whole]

    @staticmethod
    def whole_around(session: Session) -> Turns[Any] | None:
        """Give the innermost loop of this thread in whose element the program is, and that is a whole."""
        return next((loop for loop in reversed(running_here(session)) if loop.whole and loop.within), None)

    @staticmethod
    def done_around(session: Session) -> Turns[Any] | None:
        """Give the innermost resumed loop of this thread, where its element counts as done and is still worked on."""
        loop = next((loop for loop in reversed(running_here(session)) if not loop.whole), None)
        return loop if loop is not None and loop.at_work and not loop.within else None

    def has_others_within(self) -> bool:
        """Say whether a resumed loop of this thread runs whose element began after this one."""
        return any(not loop.whole and loop.since > self.place for loop in running_here(self._session))

    @staticmethod
    def outermost(session: Session) -> Turns[Any] | None:
        """Give the resumed loop in which the program is, in whichever thread: the first that began."""
        loops = [loop for loop in running(session) if not loop.whole]
        return min(loops, key=lambda loop: loop.place, default=None)

    @staticmethod
    def go_on(session: Session) -> None:
        """Take note that the program goes on after loops that were broken off: what they left is not taken up."""
        for key, act in list(session.broken_off.items()):
            if act is not None:
                session.broken_off.pop(key, None)
                act()

    def __del__(self) -> None:
        """Leave a loop that was broken out of; its element stays unfinished."""
        self._leave()

    def _leave(self) -> None:
        if self._running:
            self._running = False
            self.at_work = False
            self._session.loops.remove(self._reference)
            self._session.gate.leave(self.key)
            act = self.left()
            if self.within or act is not None:
                self._session.broken_off[self.key] = act


def running(session: Session) -> Iterator[Turns[Any]]:
    """Go through the loops that run, in any thread."""
    for reference in tuple(session.loops):
        loop = reference()
        if loop is not None:
            yield loop


def running_here(session: Session) -> list[Turns[Any]]:
    """Give the running loops of this thread, the outermost first."""
    here = threading.get_ident()
    return sorted((loop for loop in running(session) if loop.thread == here), key=lambda loop: loop.place)


def finish_element(session: Session) -> None:
    """Count the element of this thread's innermost loop as finished: the program saves in its turn.

    Batches that were taken while it was worked on are finished with it; where loaders are the innermost loops, the
    batches of all of them, which were for one and the same step.
    """
    here = running_here(session)
    others = [loop for loop in here if not loop.whole]
    # A loader that was there before the element began, as in a generator that goes round and round, is not within it.
    if others and not any(loop.whole and loop.place > others[-1].since for loop in here):
        others[-1].finish_element()
    _finish_wholes(here, since=others[-1].since if others else 0)


def at_safe_point(session: Session, *, last: bool) -> bool:
    """Serve what is due between two steps of a loop of which we know nothing; say whether the program should end."""
    gate = session.gate
    here = running_here(session)
    _finish_wholes(here)
    for loop in here:
        if loop.whole:
            gate.leave(loop.key)
    gate.between(_STEP)
    if not last:
        gate.element(_STEP, whole=True)
    return is_ending()


def _finish_wholes(loops: list[Turns[Any]], since: int = 0) -> None:
    for loop in loops:
        if loop.whole and loop.since >= since:
            loop.finish_element()
