"""Our reading of the bytecode agrees with that of the standard library, on the standard library."""

from __future__ import annotations

import dis
import os
import sys
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING

import pytest

from lattice_addons.state._names_bytecode import LOADS, jump_targets, slot_name, units_before

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCES = sorted(Path(os.__file__).parent.glob("*.py"))[::12]


def codes(code: CodeType) -> Iterator[CodeType]:
    """Give a code object and all those within it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from codes(constant)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.name))
def test_instructions_jumps_and_names(source: Path) -> None:
    """Each instruction is met with its argument, each jump leads where it does, and each slot has its name."""
    for code in codes(compile(source.read_bytes(), str(source), "exec", dont_inherit=True)):
        raw = code.co_code
        assert jump_targets(raw) == set(dis.findlabels(raw))  # type: ignore[arg-type]  # it is documented to take bytes
        units = {unit.offset: unit for unit in units_before(raw, len(raw) - 2) if unit.offset % 2 == 0}
        for instruction in dis.get_instructions(code):
            if instruction.opname in {"EXTENDED_ARG", "CACHE"}:
                continue
            unit = units.pop(instruction.offset)
            assert unit.opcode == instruction.opcode
            if unit.name != instruction.opname:
                assert sys.version_info >= (3, 13)  # the first half of two in one
                continue
            assert unit.arg == (instruction.arg or 0) or instruction.arg is None
            if "cell" in LOADS.get(unit.name, "") or LOADS.get(unit.name) == "local":
                assert slot_name(code, LOADS[unit.name], unit.arg) == instruction.argval
        assert units == {}
