"""The bytecode before a call shows which variable each plain argument was loaded from."""

from __future__ import annotations

import dis
import sys
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import CodeType

CACHE: Final = 0  # what the inline caches of 3.11 and later read as in co_code
LONGEST_CALL: Final = 400  # instructions that we look at, from the call backwards
CALLS: Final = frozenset({"CALL", "CALL_KW", "PRECALL", "CALL_FUNCTION", "CALL_FUNCTION_KW", "CALL_METHOD"})
JUMPS: Final = frozenset((*dis.hasjrel, *dis.hasjabs))
LOADS: Final = {
    "LOAD_FAST": "local",
    "LOAD_FAST_CHECK": "local",
    "LOAD_DEREF": "cell",
    "LOAD_NAME": "name",
    "LOAD_GLOBAL": "global",
    "LOAD_CLASSDEREF": "class cell",
    "LOAD_FROM_DICT_OR_DEREF": "class cell",
}
BRANCH_ENDS: Final = frozenset({"POP_TOP", "RETURN_VALUE", "RETURN_CONST", "RAISE_VARARGS", "RERAISE"})

_ONE_RESULT = """
    LOAD_FAST LOAD_FAST_CHECK LOAD_DEREF LOAD_NAME LOAD_CLASSDEREF LOAD_FROM_DICT_OR_DEREF LOAD_CONST LOAD_LOCALS
    LOAD_CLOSURE PUSH_NULL COPY DUP_TOP IMPORT_NAME IMPORT_FROM
    BINARY_OP BINARY_SUBSCR BINARY_SLICE COMPARE_OP IS_OP CONTAINS_OP
    BINARY_ADD BINARY_SUBTRACT BINARY_MULTIPLY BINARY_TRUE_DIVIDE BINARY_FLOOR_DIVIDE BINARY_MODULO BINARY_POWER
    BINARY_AND BINARY_OR BINARY_XOR BINARY_LSHIFT BINARY_RSHIFT BINARY_MATRIX_MULTIPLY
    UNARY_NEGATIVE UNARY_NOT UNARY_INVERT UNARY_POSITIVE TO_BOOL
    BUILD_TUPLE BUILD_LIST BUILD_SET BUILD_MAP BUILD_CONST_KEY_MAP BUILD_STRING BUILD_SLICE LIST_TO_TUPLE
    FORMAT_VALUE FORMAT_SIMPLE FORMAT_WITH_SPEC CONVERT_VALUE MAKE_FUNCTION SET_FUNCTION_ATTRIBUTE GET_ITER
    CALL CALL_KW CALL_FUNCTION CALL_FUNCTION_KW CALL_METHOD CALL_FUNCTION_EX CALL_INTRINSIC_1
"""
_NO_RESULT = """
    NOP KW_NAMES PRECALL STORE_FAST STORE_NAME STORE_GLOBAL STORE_DEREF
    LIST_APPEND LIST_EXTEND SET_ADD SET_UPDATE MAP_ADD DICT_UPDATE DICT_MERGE
"""
# How many values an instruction leaves on the stack. One that is not here ends the search: we refuse then.
# What it takes off is this number less its stack effect.
_RESULTS: Final = dict.fromkeys(_ONE_RESULT.split(), 1) | dict.fromkeys(_NO_RESULT.split(), 0)
_HALVES: Final = {
    "LOAD_FAST_LOAD_FAST": ("LOAD_FAST", "LOAD_FAST"),
    "STORE_FAST_LOAD_FAST": ("STORE_FAST", "LOAD_FAST"),
    "STORE_FAST_STORE_FAST": ("STORE_FAST", "STORE_FAST"),
}
# Loads whose lowest bit asks for a second value: what a method or function call wants beside the callable.
_PAIRED: Final = {"LOAD_GLOBAL": (3, 11), "LOAD_ATTR": (3, 12), "LOAD_SUPER_ATTR": (3, 12)}


class Unclear(Exception):  # noqa: N818 - what is said to the program is an UnknownVariableError made of it
    """The bytecode does not say, or says that it was no plain variable; the text says why."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One instruction, or one half of an instruction that is two in one; ``start`` is where jumps to it lead."""

    start: int
    offset: int
    opcode: int
    name: str
    arg: int

    def effect(self, *, jump: bool | None = None) -> int:
        """Say by how much the stack grows."""
        if dis.opname[self.opcode] in _HALVES:
            return 1 if self.name == "LOAD_FAST" else -1
        return dis.stack_effect(
            self.opcode, self.arg if self.opcode >= dis.HAVE_ARGUMENT else None, jump=jump
        )

    def results(self) -> int | None:
        """Say how many values it leaves on the stack; None for what has no business among arguments."""
        if self.name in _PAIRED:
            return 1 + (self.arg & 1 if sys.version_info >= _PAIRED[self.name] else 0)
        return 2 if self.name == "LOAD_METHOD" else _RESULTS.get(self.name)


@dataclass(frozen=True, slots=True)
class Load:
    """The instruction that loaded an argument: which variable, and in what way the compiler sees it."""

    name: str
    kind: str
    offset: int
    slot: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """The parameter that we look for, in a function whose frame is known but not how it was called."""

    parameters: tuple[str, ...]
    name: str


def split(start: int, offset: int, opcode: int, arg: int) -> tuple[Unit, ...]:
    """Give an instruction as its units, in the order in which they happen."""
    name = dis.opname[opcode]
    if name not in _HALVES:
        return (Unit(start, offset, opcode, name, arg),)
    first, second = _HALVES[name]
    # No jump leads to an odd offset: the second half is only reached through the first.
    return Unit(start, offset, opcode, first, arg >> 4), Unit(offset + 1, offset, opcode, second, arg & 15)


def units_before(raw: bytes, offset: int) -> Iterator[Unit]:
    """Go backwards through the bytecode, from the instruction at or just before this offset."""
    while offset >= 0:
        # While a call runs, 3.11 points at the last cache of the call instruction instead of at itself.
        if raw[offset] == CACHE:
            offset -= 2
            continue
        start, arg, shift = offset, raw[offset + 1], 8
        while start >= 2 and raw[start - 2] == dis.EXTENDED_ARG:  # noqa: PLR2004 - a prefix is two bytes
            start -= 2
            arg |= raw[start + 1] << shift
            shift += 8
        yield from reversed(split(start, offset, raw[offset], arg))
        offset = start - 2


def jump_targets(raw: bytes) -> frozenset[int]:
    """Give the offsets that jumps lead to; as ``dis.findlabels``, whose time grows with the square of their number."""
    targets: set[int] = set()
    prefix = 0
    for offset in range(0, len(raw), 2):
        opcode = raw[offset]
        if opcode == dis.EXTENDED_ARG:
            prefix = (prefix | raw[offset + 1]) << 8
            continue
        if opcode in JUMPS:
            targets.add(jump_target(raw, offset, opcode, prefix | raw[offset + 1]))
        prefix = 0
    return frozenset(targets)


def jump_target(raw: bytes, offset: int, opcode: int, arg: int) -> int:
    """Say where a jump leads; relative ones count from behind their caches."""
    if opcode in dis.hasjabs:
        return 2 * arg
    return after_caches(raw, offset) + (-2 * arg if "BACKWARD" in dis.opname[opcode] else 2 * arg)


def after_caches(raw: bytes, offset: int) -> int:
    """Say where the next instruction begins."""
    offset += 2
    while offset < len(raw) and raw[offset] == CACHE:
        offset += 2
    return offset


def find_load(code: CodeType, lasti: int, wanted: Wanted) -> Load:
    """Find what loaded the wanted argument of the call that is being made at ``lasti``.

    Only straight lines are followed: where control can come from elsewhere (a conditional expression, an
    ``await``) between the load and the call, and for every expression that is no plain variable, `Unclear` is raised.
    """
    raw = code.co_code
    labels = jump_targets(raw)
    before = list(islice(units_before(raw, lasti), LONGEST_CALL))
    count, keywords, loads = _read_call(code, before)
    if any(unit.start in labels for unit in before[:loads]):
        raise Unclear("it is a conditional expression, or awaits something")
    # How far below the top of the stack the argument lies.
    depth = count - 1 - _position(wanted, count, keywords)
    for index, unit in enumerate(before[loads:], loads):
        results = unit.results()
        if results is None:
            break
        if unit.name in {"COPY", "DUP_TOP"} and depth == max(unit.arg, 1):
            raise Unclear("it is an assignment expression")
        if depth < results:
            # From 3.12 on a class body's variable takes two instructions, the first of which is LOAD_LOCALS.
            first = index + (unit.name == "LOAD_FROM_DICT_OR_DEREF")
            _check_alone(before[first + 1], alone=before[first].start not in labels)
            return _as_load(code, unit, results)
        if unit.start in labels:
            raise Unclear("another argument after it is a conditional expression, or awaits something")
        depth -= unit.effect()
    raise Unclear("the arguments after it are too complicated to tell")


def _read_call(code: CodeType, before: Sequence[Unit]) -> tuple[int, tuple[str, ...], int]:
    """Give the number of arguments, the names of the last of them, and where the loads begin."""
    call = before[0] if before else None
    if call is None or call.name not in CALLS:
        raise Unclear("it was not passed in a plain call that spells out its arguments")
    loads = 1
    if call.name == "CALL" and before[loads].name == "PRECALL":
        loads += 1
    names: object = ()
    if before[loads].name == "KW_NAMES" or call.name in {"CALL_KW", "CALL_FUNCTION_KW"}:
        names = code.co_consts[before[loads].arg]
        loads += 1
    if not isinstance(names, tuple) or len(names) > call.arg:  # pragma: no cover - no compiler does this
        raise Unclear("the call's keywords cannot be read")
    return call.arg, names, loads


def _position(wanted: Wanted, count: int, keywords: tuple[str, ...]) -> int:
    """Say which of the call's arguments, from the left, was given to the wanted parameter."""
    positional = count - len(keywords)
    given = positional + sum(name in wanted.parameters for name in keywords)
    # A method that is bound gets its first argument from elsewhere. Every parameter up to the wanted one
    # is required in our doors, so the number of arguments tells the two ways of calling apart.
    unseen = len(wanted.parameters) - given
    if unseen not in {0, 1}:
        raise Unclear("the call being made there is another one, which passed it on")
    if wanted.name in keywords:
        return positional + keywords.index(wanted.name)
    position = wanted.parameters.index(wanted.name) - unseen
    if not 0 <= position < positional:
        raise Unclear("the call being made there is another one, which passed it on")
    return position


def _check_alone(previous: Unit, *, alone: bool) -> None:
    """Refuse a load that is one branch of ``a if c else b`` or ``a or b``, where each branch has a call of its own.

    The compiler copies a call at the end of a function into both branches, which then look like plain loads; what
    comes just before them is a jump, or the removal of the value that was tested. An argument before the load ends
    with neither; an awaited one does in 3.11, with a jump back that is no part of a condition.
    """
    if previous.name == "JUMP_BACKWARD_NO_INTERRUPT" and not alone:
        return
    if "JUMP" in previous.name or previous.name in BRANCH_ENDS:
        raise Unclear("it is a conditional expression")


def _as_load(code: CodeType, unit: Unit, results: int) -> Load:
    if unit.name not in LOADS or results != 1:
        raise Unclear("it is a constant" if unit.name == "LOAD_CONST" else "it is an expression")
    kind = LOADS[unit.name]
    if kind in {"name", "global"}:
        paired = unit.name == "LOAD_GLOBAL" and sys.version_info >= _PAIRED["LOAD_GLOBAL"]
        name = code.co_names[unit.arg >> 1 if paired else unit.arg]
    else:
        name = slot_name(code, kind, unit.arg)
    if not name.isidentifier():
        # pytest's assertion rewriting puts the values of expressions into variables such as @py_assert1.
        raise Unclear("it is an expression")
    return Load(name, kind, unit.offset, unit.arg)


def slot_name(code: CodeType, kind: str, index: int) -> str:
    """Name a frame's fast local or cell by its index in the bytecode."""
    if sys.version_info >= (3, 11):
        cells = tuple(name for name in code.co_cellvars if name not in code.co_varnames)
        return (code.co_varnames + cells + code.co_freevars)[index]
    return (code.co_varnames if kind == "local" else code.co_cellvars + code.co_freevars)[index]
