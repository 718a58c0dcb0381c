"""From Python 3.12 a comprehension's variables live in its function's frame, and hide those of the same name."""

from __future__ import annotations

import dis
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ._names_bytecode import JUMPS, after_caches, jump_target, slot_name, split

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import CodeType

    from ._names_bytecode import Unit

CLEAR: Final = "LOAD_FAST_AND_CLEAR"
ENDS: Final = frozenset({"RETURN_VALUE", "RETURN_CONST", "RAISE_VARARGS", "RERAISE"})


@dataclass(frozen=True, slots=True)
class Region:
    """The offsets at which a comprehension has its own variable of a name, and those at which it has a value."""

    inside: frozenset[int]
    bound: frozenset[int]


def regions(code: CodeType) -> Mapping[int, tuple[Region, ...]]:
    """Say, for each slot of the frame that comprehensions borrow, where it has a variable of theirs.

    By slot and not by name: a comprehension in a class body borrows a slot for each name that it mentions, also
    for those that it reads from a function around, which have another slot.
    """
    if CLEAR not in dis.opmap or dis.opmap[CLEAR] not in code.co_code[::2]:
        return {}
    raw = code.co_code
    found: dict[int, list[Region]] = {}
    for unit, after in _all_units(raw):
        if unit.name == CLEAR:
            found.setdefault(unit.arg, []).append(_follow(code, unit, after))
    return {slot: tuple(_without_inner(region, every) for region in every) for slot, every in found.items()}


def region_at(code: CodeType, slot: int, offset: int) -> Region | None:
    """Give the innermost comprehension around an instruction that has a variable in this slot."""
    around = [region for region in _regions_of(code).get(slot, ()) if offset in region.inside]
    return min(around, key=lambda region: len(region.inside), default=None)


def hidden_offsets(code: CodeType, name: str) -> frozenset[int]:
    """Say at which instructions a comprehension's variable is seen instead of the function's of the same name."""
    slots = [every for slot, every in _regions_of(code).items() if slot_name(code, "local", slot) == name]
    return frozenset[int]().union(*(region.inside for every in slots for region in every))


# Held by the id of the code, and with it: the hash of a code object goes through all of its instructions.
_known: Final[dict[int, tuple[CodeType, Mapping[int, tuple[Region, ...]]]]] = {}
_KNOWN_AT_MOST: Final = 1024


def _regions_of(code: CodeType) -> Mapping[int, tuple[Region, ...]]:
    known = _known.get(id(code))
    if known is None:
        if len(_known) >= _KNOWN_AT_MOST:
            _known.clear()
        known = _known[id(code)] = (code, regions(code))
    return known[1]


def _all_units(raw: bytes) -> Iterator[tuple[Unit, int]]:
    offset = 0
    while offset < len(raw):
        units, offset = _units_at(raw, offset)
        for unit in units:
            yield unit, offset


def _units_at(raw: bytes, offset: int) -> tuple[tuple[Unit, ...], int]:
    """Give the instruction at an offset, and where the next one begins."""
    start, arg = offset, raw[offset + 1]
    while raw[offset] == dis.EXTENDED_ARG:
        offset += 2
        arg = arg << 8 | raw[offset + 1]
    return split(start, offset, raw[offset], arg), after_caches(raw, offset)


def _follow(code: CodeType, clear: Unit, after: int) -> Region:
    """Follow control from where the outer variable is put on the stack to where it is taken back.

    The stack is never lower in between than it was just after, so that its depth tells when the comprehension ends.
    """
    raw = code.co_code
    inside: set[int] = set()
    unbound: set[int] = set()
    waiting = [(after, 1, False)]
    seen: set[tuple[int, int, bool]] = set()
    while waiting:
        state = waiting.pop()
        if state in seen or state[1] <= 0 or state[0] >= len(raw):
            continue
        seen.add(state)
        offset, _, bound = state
        units, following = _units_at(raw, offset)
        # While an instruction runs, the frame points behind its prefixes, and during a call at one of its caches.
        at = range(units[0].offset & ~1, following, 2)
        inside.update(at)
        if not bound:
            unbound.update(at)
        waiting += _next_states(code, clear.arg, state, units, following)
    return Region(frozenset(inside), frozenset(inside - unbound))


def _next_states(
    code: CodeType, slot: int, state: tuple[int, int, bool], units: tuple[Unit, ...], following: int
) -> Iterator[tuple[int, int, bool]]:
    _, depth, bound = state
    last = units[-1]
    if last.opcode in JUMPS:
        target = jump_target(code.co_code, last.offset, last.opcode, last.arg)
        yield target, depth + last.effect(jump=True), bound
    if last.name == "GET_ANEXT":
        # The end of an asynchronous loop is an exception: its handler finds the iterator and the exception.
        for entry in dis.Bytecode(code).exception_entries:  # type: ignore[attr-defined]  # from 3.11 on
            if (
                entry.start <= last.offset < entry.end
                and code.co_code[entry.target] == dis.opmap["END_ASYNC_FOR"]
            ):
                yield entry.target, depth + 1, bound
    if last.name in ENDS or last.name.startswith("JUMP_"):
        return
    for unit in units:
        depth += unit.effect(jump=False)
        if depth <= 0:
            return
        if unit.arg == slot:
            bound = unit.name != CLEAR and (bound or unit.name in {"STORE_FAST", "STORE_DEREF"})
    yield following, depth, bound


def _without_inner(region: Region, every: list[Region]) -> Region:
    """Take out where a comprehension within this one has a variable of the same name of its own."""
    inner = frozenset[int]().union(*(other.inside for other in every if other.inside < region.inside))
    return Region(region.inside, region.bound - inner)
