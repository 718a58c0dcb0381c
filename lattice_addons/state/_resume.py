"""A loop that, after a restart, begins at the first element that was not finished."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from collections.abc import Set as AbstractSet
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from lattice_addons.encoding import encode, is_plain
from lattice_addons.errors import DuplicateSlotError, RanksChangedError, SequenceChangedError
from lattice_addons.lifecycle import world_size

from ._manager import StateManager
from ._ranks import rule_of
from ._turns import Turns, at_safe_point, running, running_here

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ._session import Session

Element = TypeVar("Element")


class Progress(StateManager):
    """How far a loop is: a slot whose value is plain and readable in the manifest."""

    __module__ = "lattice_addons.state"

    def __init__(self) -> None:
        self.position: int = 0  # elements that are finished
        self.finished: bool = False
        self.inside: list[list[object]] = []  # the loops around it, each with the index of its element
        self.sequence: dict[str, object] = {}
        self.ended_here: bool = False  # in this process; not stored
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


class ResumedLoop(Turns[Element]):
    """The iterator that `StateManagerGroup.resume` gives."""

    __module__ = "lattice_addons.state"

    def __init__(self, session: Session, key: str, progress: Progress, elements: Iterator[Element]) -> None:
        self._at = progress.position - 1  # the current element; `position` moves on when it is finished
        self._progress = progress
        self._elements = elements
        super().__init__(session, key)

    @property
    def index(self) -> int:
        """The number of the current element."""
        return self._at

    def take(self) -> Element:
        """Give the next element."""
        element = next(self._elements)
        self._at += 1
        self._session.way_back.begin(self._session)
        return element

    def count(self) -> None:
        """Move on by one element."""
        self._progress.position += 1

    def end(self) -> None:
        """Remember that the loop is done."""
        self._progress.finished = self._progress.ended_here = True


def start_loop(session: Session, iterable: Iterable[Element], key: str) -> ResumedLoop[Element]:
    """Begin a loop, or carry on with the one that the store has under this key."""
    progress = _progress(session, key)
    inside = loops_around(session)
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
    for loop in running_here(session):
        if loop.whole and loop.within:
            loop.enclose(key)
    session.completed = False
    session.broken_off.pop(key, None)
    return ResumedLoop(session, key, progress, _rest(iterable, progress.position, key))


def loops_around(session: Session) -> list[list[object]]:
    """Give the loops of this thread that run, the outermost first, each with the number of its element.

    A loader that is only asked for a batch now and then is not around anything; one in the middle of a batch is.
    """
    return [[loop.key, loop.index] for loop in running_here(session) if loop.within or not loop.whole]


class Loops:
    """What a group does for the loops of a program."""

    _session: Session

    def resume(self, iterable: Iterable[Element], key: str) -> ResumedLoop[Element]:
        """Loop over a sequence; after a restart, begin at the first element that was not finished.

        An element is finished when the next one is asked for, or when `save` is called in its turn. Between two
        elements is a safe point: a signal or period that falls due within an element waits for it, for at most
        half of ``grace``. A loop within another is bound to the other's element.

        Raises:
            SequenceChangedError: the sequence is not the stored one, where that can be seen.
            DuplicateSlotError: the key is a slot's, or that of a loop that is running or has ended in this process.
        """
        return start_loop(self._session, iterable, key)

    def safe_point(self, *, last: bool = False) -> bool:
        """Say that a step of the program's own loop is done: a signal or period that is due is served here.

        One that falls due within the next step waits for the next call, for at most half of ``grace``, so that what
        is saved is never a half-made step; ``last`` says that no step follows. The batches that were taken from
        tracked loaders count as done.

        Gives whether the process was told to end: a signal came, all is saved for it, and what the program does
        about it (a handler of its own) let it go on so far.
        """
        return at_safe_point(self._session, last=last)


def _progress(session: Session, key: str) -> Progress:
    if key not in session.slots:
        progress = Progress()
        progress.era = session.completions
        session.add(key, progress, rule=rule_of(None, partial(_merged, key)))
    manager = session.slot(key).manager
    runs = any(loop.key == key for loop in running(session))
    if runs or not isinstance(manager, Progress):
        what = "a loop that is still running" if runs else f"a slot of {type(manager).__name__}"
        raise DuplicateSlotError(f"{key!r} is {what}; give this loop another key", slot=key)
    session.value(key)
    return manager


def _merged(key: str, stored: list[Any]) -> object:
    """Make one progress of those of another number of ranks: all go on where the last of them was."""
    there = [progress for progress in stored if progress is not None]
    loops = [(progress["sequence"], [around for around, _ in progress["inside"]]) for progress in there]
    if any(loop != loops[0] for loop in loops):
        message = (
            f"loop {key!r} was over another sequence on each of {len(stored)} ranks, and this job runs as "
            f"{world_size()}: what is left of them cannot be shared out. Start it as {len(stored)}, give the loop "
            f"another key, or begin anew after delete({key!r})"
        )
        raise RanksChangedError(message, slot=key, stored=len(stored), ranks=world_size())
    return min(there, key=_how_far, default=None)


def _how_far(progress: dict[str, Any]) -> tuple[object, ...]:
    return [index for _, index in progress["inside"]], progress["position"], progress["finished"]


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
