"""A loop that, after a restart, begins at the first element that was not finished."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator, Sequence, Sized
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from lattice_addons.encoding import encode, is_plain
from lattice_addons.errors import DuplicateSlotError, SequenceChangedError

from ._manager import StateManager

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._session import Session

Element = TypeVar("Element")


class Progress(StateManager):
    """How far a loop is: a slot whose value is plain and readable in the manifest."""

    __module__ = "lattice_addons.state"

    def __init__(self) -> None:
        self.position = 0  # elements that are finished
        self.finished = False
        self.inside: list[list[object]] = []  # the loops around it, each with the index of its element
        self.sequence: dict[str, object] = {}
        self.ended_here = False  # in this process; not stored
        self.era = 0  # how often the work of this process had been completed when it began; not stored

    def capture(self) -> object:
        """Give the progress as plain data."""
        return {
            "position": self.position,
            "finished": self.finished,
            "inside": self.inside,
            "sequence": self.sequence,
        }

    def restore(self, stored: object) -> None:
        """Take over the progress of an earlier process."""
        vars(self).update(stored)  # type: ignore[call-overload]  # what capture() gave

    def begin(self, inside: list[list[object]], sequence: dict[str, object]) -> None:
        """Stand before the first element."""
        self.position, self.finished, self.inside, self.sequence = 0, False, inside, sequence
        self.ended_here = False


class ResumedLoop(Generic[Element]):
    """The iterator that `StateManagerGroup.resume` gives."""

    __module__ = "lattice_addons.state"

    _running = False

    def __init__(self, session: Session, key: str, progress: Progress, elements: Iterator[Element]) -> None:
        self.key = key
        self.thread = threading.get_ident()
        self.index = progress.position - 1  # of the current element; `position` moves on when it is finished
        self._session = session
        self._progress = progress
        self._elements = elements
        self._within = False
        # Weakly, so that a loop that was broken out of goes when the program lets go of it.
        self._reference = weakref.ref(self)
        self._running = True
        session.loops.append(self._reference)

    def __iter__(self) -> Iterator[Element]:
        """Be an iterator."""
        return self

    def __next__(self) -> Element:
        """Finish the current element, serve what is due, and give the next one."""
        gate = self._session.gate
        self.finish_element()
        gate.between(self.key)
        try:
            element = next(self._elements)
        except StopIteration:
            self._progress.finished = self._progress.ended_here = True
            self._leave()
            raise
        self.index += 1
        self._within = True
        gate.element(self.key)
        return element

    def finish_element(self) -> None:
        """Count the current element as finished, once."""
        if self._within:
            self._within = False
            self._progress.position += 1

    def __del__(self) -> None:
        """Leave a loop that was broken out of; its element stays unfinished."""
        self._leave()

    def _leave(self) -> None:
        if self._running:
            self._running = False
            self._session.loops.remove(self._reference)
            self._session.gate.leave(self.key)
            if self._within:
                self._session.broken_off[self.key] = None


def start_loop(session: Session, iterable: Iterable[Element], key: str) -> ResumedLoop[Element]:
    """Begin a loop, or carry on with the one that the store has under this key."""
    progress = _progress(session, key)
    inside = [[loop.key, loop.index] for loop in _running_here(session)]
    sequence = _describe(iterable, key)
    fresh = progress.position == 0 and not progress.finished
    if fresh or progress.inside != inside or progress.era != session.completions:
        # Nothing was finished yet, the loops around it are at another element than the stored one, or the
        # work that it was part of is done.
        progress.begin(inside, sequence)
        progress.era = session.completions
    elif progress.ended_here:
        raise _ended(key)
    elif progress.sequence != sequence:
        raise _changed(key, progress.sequence, sequence)
    session.completed = False
    session.broken_off.pop(key, None)
    return ResumedLoop(session, key, progress, _rest(iterable, progress.position, key))


def finish_element(session: Session) -> None:
    """Count the element of this thread's innermost loop as finished: the program saves in its turn."""
    here = _running_here(session)
    if here:
        here[-1].finish_element()


def _running(session: Session) -> list[ResumedLoop[Any]]:
    return [loop for reference in tuple(session.loops) if (loop := reference()) is not None]


def _running_here(session: Session) -> list[ResumedLoop[Any]]:
    """Give the running loops of this thread, the outermost first."""
    here = threading.get_ident()
    return [loop for loop in _running(session) if loop.thread == here]


def _progress(session: Session, key: str) -> Progress:
    if key not in session.slots:
        progress = Progress()
        progress.era = session.completions
        session.add(key, progress)
    manager = session.slot(key).manager
    running = any(loop.key == key for loop in _running(session))
    if running or not isinstance(manager, Progress):
        what = "a loop that is still running" if running else f"a slot of {type(manager).__name__}"
        raise DuplicateSlotError(f"{key!r} is {what}; give this loop another key", slot=key)
    session.value(key)
    return manager


def _describe(iterable: Iterable[object], key: str) -> dict[str, object]:
    """Say what can be seen of a sequence without using it up."""
    if isinstance(iterable, AbstractSet) and not hasattr(iterable, "__reversed__"):
        message = f"loop {key!r} is over a {type(iterable).__name__}, whose order does not survive a restart; sort it"
        raise SequenceChangedError(message, slot=key)
    told: dict[str, object] = {"kind": type(iterable).__name__}
    if isinstance(iterable, Sized):
        told["length"] = len(iterable)
    if isinstance(iterable, range):
        told["range"] = [iterable.start, iterable.stop, iterable.step]
    elif isinstance(iterable, (list, tuple, str, dict)) and is_plain(elements := list(iterable)):
        told["digest"] = _digest(elements)
    return told


def _digest(elements: list[object]) -> str:
    from blake3 import blake3

    return blake3(encode(elements).value or b"").hexdigest(length=16)


def _ended(key: str) -> DuplicateSlotError:
    # To yield nothing would be a silent loss, to begin anew a wrong start after a restart.
    message = (
        f"loop {key!r} went to its end in this process already: put the loop around it in group.resume(), too, "
        f"give this one another key, or go through it once more after delete({key!r})"
    )
    return DuplicateSlotError(message, slot=key)


def _changed(key: str, stored: dict[str, object], given: dict[str, object]) -> SequenceChangedError:
    message = (
        f"loop {key!r} was stopped in another sequence than the one given now: stored {stored}, given {given}. "
        f"Give it the old sequence, or another key, or begin anew after delete({key!r})."
    )
    return SequenceChangedError(message, slot=key)


def _rest(iterable: Iterable[Element], position: int, key: str) -> Iterator[Element]:
    if isinstance(iterable, Sequence):
        # By index, so that a sequence that makes its elements does not make those that are finished.
        return _by_index(iterable, position)
    elements = iter(iterable)
    for done in range(position):
        try:
            next(elements)
        except StopIteration:
            message = f"loop {key!r} had finished {position} elements; the sequence given now has only {done}"
            raise SequenceChangedError(message, slot=key) from None
    return elements


def _by_index(sequence: Sequence[Element], position: int) -> Iterator[Element]:
    # The length is asked for each time: a list may grow while it is looped over, as in any for loop.
    while position < len(sequence):
        yield sequence[position]
        position += 1
