"""What counts the batches of a loop from around it would count anew, where those that were done do not come."""

from __future__ import annotations

import builtins
import gc
import itertools
from types import GeneratorType
from typing import TYPE_CHECKING, Any, ClassVar

from ._asking import asking

if TYPE_CHECKING:
    from types import FrameType

    from ._course import Course
    from ._passing import Passed

__all__ = ["Counted", "is_counted"]

_ENUMERATE = enumerate
_COUNTING = (enumerate, itertools.islice, zip)
_PASSING_ON = (map, filter, itertools.chain)
# How far something counts: not, within one loop, over several loops of a generator that goes through them.
_NOT, _LOOP, _LOOPS = 0, 1, 2


class Counted(enumerate):  # type: ignore[type-arg]
    """Counts on where the saved program's loop was, while what was done is passed over."""

    course: Course | None = None
    made: ClassVar[list[object]] = []  # those that count in the right way

    def __new__(cls, iterable: Any, start: int = 0) -> Any:
        """Make what ``enumerate`` makes, from a later number for the loop in which the saved program was."""
        ahead = None if cls.course is None else _given_ahead(cls.course, iterable)
        made = _ENUMERATE(iterable, start + (ahead or 0))
        if ahead is not None:
            cls.made.append(made)
        return made

    @classmethod
    def put_on(cls, course: Course) -> None:
        """Stand where ``enumerate`` stood."""
        cls.course = course
        builtins.enumerate = cls  # type: ignore[misc]

    @classmethod
    def take_off(cls) -> None:
        """Let ``enumerate`` stand there again."""
        cls.course = None
        cls.made.clear()
        if builtins.enumerate is cls:
            builtins.enumerate = _ENUMERATE  # type: ignore[misc]


def _given_ahead(course: Course, iterable: Any) -> int | None:
    """Give how many batches had come of what is gone through; None where that cannot be seen."""
    # What shows progress has what it goes through as its `iterable`.
    within = getattr(iterable, "iterable", iterable)
    if course.found.loaders.name(within) is not None:
        return course.given_ahead(within)
    parts = (
        [part for part in _parts(within) if hasattr(part, "__next__")] if type(within) is zip else [within]
    )
    if not all(_is_passed(part) for part in parts):
        return None
    return max((part.record.given for part in parts if part.is_goal()), default=0)


def is_counted(passed: Passed, frame: FrameType, known: dict[Any, int], *, goal: bool) -> bool:
    """Say whether what stands around a loop would count anew, if that gave nothing, or only the rest.

    ``known`` remembers it for each place in the program: what is made there is alike each time.
    """
    frames = list(asking(frame))
    place = tuple((each.f_code, each.f_lasti) for each in frames)
    generators = frames[:-1]
    if place not in known:
        known[place] = _how_far(passed, generators)
    far = known.get(place, _NOT)
    if far == _LOOP and goal:
        known[place] = _LOOPS  # the others beside it give their batches, too
    return far == _LOOPS or (far == _LOOP and goal)


def _how_far(passed: Passed, generators: list[FrameType]) -> int:
    handing, candidates = [passed], []
    # Once for each place: what has an object in C can be found in no other way.
    for thing in gc.get_objects():
        kind = type(thing)
        if kind is GeneratorType and thing.gi_frame in generators:
            handing.append(thing)
        elif kind in _COUNTING or kind in _PASSING_ON:
            candidates.append(thing)
    far, found = _NOT, True
    while found:
        around = [thing for thing in candidates if not _has(handing, thing) and _hands_on(handing, thing)]
        far = max((_counts(thing, bool(generators)) for thing in around), default=far)
        handing += around
        found = bool(around)
    return far


def _counts(thing: Any, spans: bool) -> int:  # noqa: FBT001 - private
    if type(thing) in _PASSING_ON or _has(Counted.made, thing):
        return _NOT
    if type(thing) is zip:
        parts = [part for part in _parts(thing) if hasattr(part, "__next__")]
        # Of loaders side by side each goes on by itself; a generator may go through several loops.
        spans = any(type(part) is GeneratorType for part in parts)
        if all(_is_passed(part) for part in parts):
            return _NOT
    return _LOOPS if spans else _LOOP


def _hands_on(handing: list[Any], thing: object) -> bool:
    return any(_has(handing, part) for part in _parts(thing))


def _has(things: list[Any], thing: object) -> bool:
    return any(each is thing for each in things)


def _parts(thing: object) -> list[Any]:
    parts = gc.get_referents(thing)
    return [*parts, *(each for part in parts if type(part) is tuple for each in part)]


def _is_passed(part: object) -> bool:
    return type(part).__name__ == "Passed"
