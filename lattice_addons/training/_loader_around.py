"""What stands around a loader in the loop that is carried on, and counts its batches from the beginning, is told."""

from __future__ import annotations

import dis
import gc
import itertools
import logging
from types import GeneratorType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

__all__ = ["IS_GENERATOR", "asked_by_for", "asking", "tell_of_counters"]

_log = logging.getLogger("lattice_addons.training")

IS_GENERATOR: Final = 0x20  # inspect.CO_GENERATOR, without the import
_ASKING_LOOPS: Final = frozenset({"FOR_ITER", "SEND", "YIELD_FROM"})
_PASSING_ON = (map, filter, itertools.chain)
_ADVICE = {
    enumerate: "enumerate() counts from 0 what is left: use enumerate(loader, loader_position(loader).batch)",
    itertools.islice: "islice() counts them anew, and gives more than in a run that was not stopped: leave the loop "
    "when loader_position(loader).batch is what you want",
    zip: "zip() puts them beside the beginning of what is not tracked: track() it, too, if it is a loader; else take "
    "its element for loader_position(loader).batch",
}


def tell_of_counters(batches: object, frame: FrameType | None, key: str, done: int) -> None:
    """Say which iterators around begin anew, where so many batches of the epoch are done."""
    for kind in _kinds_around(batches, frame):
        _log.warning(
            "loader %r goes on after %d batches of the epoch that was interrupted; %s",
            key,
            done,
            _ADVICE[kind],
        )


def asking(frame: FrameType | None) -> Iterator[FrameType]:
    """Give the frames that hand a batch on, and last the one in which it is used."""
    while frame is not None:
        yield frame
        if not frame.f_code.co_flags & IS_GENERATOR and not _is_iterator(frame):
            return
        frame = frame.f_back


def asked_by_for(frame: FrameType | None, *, all_the_way: bool) -> bool:
    """Say whether a batch is asked for by a loop, also through generators, and not by a call of next()."""
    for each in asking(frame):
        if _is_iterator(each):
            continue
        if dis.opname[each.f_code.co_code[each.f_lasti]] not in _ASKING_LOOPS:
            return False
        if not all_the_way or each.f_code.co_name == "<genexpr>":
            return True
    return True


def _is_iterator(frame: FrameType) -> bool:
    return frame.f_code.co_name == "__next__" and frame.f_code.co_argcount > 0


def _kinds_around(batches: object, frame: FrameType | None) -> Iterator[Any]:
    """Find the iterators of Python's own that have these batches, or what hands them on."""
    known, frames = _handing_on(batches, frame)
    candidates = []
    # Once in a life: what has an object in C can be found in no other way.
    for thing in gc.get_objects():
        kind = type(thing)
        if kind is GeneratorType and thing.gi_frame in frames:
            known.append(thing)
        elif kind in _ADVICE or kind in _PASSING_ON:
            candidates.append(thing)
    found = True
    while found:
        found = False
        for thing in candidates:
            parts = _parts(thing)
            if not _has(known, thing) and any(_has(known, part) for part in parts):
                known.append(thing)
                found = True
                if _counts(thing, parts, known):
                    yield type(thing)


def _handing_on(batches: object, frame: FrameType | None) -> tuple[list[object], list[FrameType]]:
    """Give the objects and the generators' frames through which the batch is asked for."""
    objects, frames = [batches], []
    for each in asking(frame):
        code = each.f_code
        if code.co_flags & IS_GENERATOR:
            frames.append(each)
        elif _is_iterator(each):
            objects.append(each.f_locals.get(code.co_varnames[0]))
    return objects, frames


def _parts(thing: object) -> list[object]:
    parts = gc.get_referents(thing)
    return [*parts, *(each for part in parts if type(part) is tuple for each in part)]


def _has(known: list[object], thing: object) -> bool:
    return any(each is thing for each in known)


def _counts(thing: Any, parts: list[object], known: list[object]) -> bool:
    """Say whether it begins anew."""
    if type(thing) is enumerate:
        return bool(thing.__reduce__()[1][1] == 0)  # else the program has told it where it is
    if type(thing) is zip:
        # Of two tracked loaders each goes on by itself.
        return any(
            not _has(known, part) and not _is_tracked(part) for part in parts if hasattr(part, "__next__")
        )
    return type(thing) is itertools.islice


def _is_tracked(part: object) -> bool:
    return type(part).__name__ in ("Batches", "Loop", "Passed")
