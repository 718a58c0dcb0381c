"""Values of classes from a notebook's cells, read where the cells were run again, were edited, or were not run."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from lattice_addons.encoding import _references, decode, encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from lattice_addons.encoding import Encoded

CELL = """
import enum
from dataclasses import dataclass

class Colour(enum.Enum):
    RED = 1

class Meta(type):
    def __bool__(cls):
        return False

class Odd(metaclass=Meta):
    pass

@dataclass
class Point:
    x: int
    def said(self):
        return "first"

def make():
    class Hidden:
        pass
    return Hidden()
"""
VALUE = "value = [Point(1), Colour.RED, Odd(), {'deep': Point(2)}]"


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Begin in a new session: what was typed before is gone."""
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    # The tests' own main program is a file.
    monkeypatch.setattr(_references, "_files", {})

    def begin(*cells: str) -> dict[str, Any]:
        main = ModuleType("__main__")
        monkeypatch.setitem(sys.modules, "__main__", main)
        for cell in cells:
            exec(cell, vars(main))  # noqa: S102 - as a notebook does
        return vars(main)

    return begin


def read(stored: Encoded) -> Any:
    """Make what is stored again."""
    buffers = [bytearray(memoryview(each)) for each in stored.buffers]  # type: ignore[arg-type]  # small ones
    return decode(stored.encoding, stored.value, buffers)


def test_what_was_typed_again_counts(kernel: Callable[..., dict[str, Any]]) -> None:
    """Values are of the classes of this session, Enum members are its members, and changed methods are changed."""
    stored = encode(kernel(CELL, VALUE)["value"], copy=True)
    assert stored.encoding == "cloudpickle"
    here = kernel(CELL.replace('"first"', '"second"'))
    point, colour, odd, inner = read(stored)
    assert type(point) is type(inner["deep"]) is here["Point"]
    assert point == here["Point"](1)
    assert point.said() == "second"
    assert colour is here["Colour"].RED
    assert type(odd) is here["Odd"]


def test_without_the_cell_the_class_comes_with_the_value(kernel: Callable[..., dict[str, Any]]) -> None:
    """As it was stored; so does one that has the name of something else now, and one that no name leads to."""
    here = kernel(CELL, VALUE + "; value.append(make())")
    stored = encode(here["value"], copy=True)
    kernel("Point = 5")
    point, colour, _, _, hidden = read(stored)
    assert (point.x, point.said(), colour.name) == (1, "first", "RED")
    assert type(hidden).__name__ == "Hidden"


def test_a_program_is_left_alone(
    kernel: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nobody types, a class that was stored by value is the one that was stored."""
    stored = encode(kernel(CELL, VALUE)["value"], copy=True)
    here = kernel(CELL.replace('"first"', '"second"'))
    monkeypatch.delattr(sys, "ps1")
    assert type(read(stored)[0]) is not here["Point"]
