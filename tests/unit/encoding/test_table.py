"""A table of small values is what each of them would be by itself, or it is none."""

from __future__ import annotations

import enum
import json
import math
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

from lattice_addons.encoding import encode_table
from lattice_addons.encoding._plain import to_json


class Colour(enum.Enum):
    """An enumeration."""

    RED = 1


class Level(int, enum.Enum):
    """An enumeration whose members are integers."""

    LOW = 1


class Text(str):
    """A subclass of str."""

    __slots__ = ()


FLAT: list[Any] = [
    None, True, False, 0, 1, -1, 2**63, 2**64 - 1, -(2**63), 0.0, -0.0, 1.0, 1e300, "", "ä", "null", "[{", "$x",
    [], {}, [1, 2.5, "x", None, True], {"b": 1, "a": -0.0}, {"": ""}, {"null": "null"},
]  # fmt: skip
OTHERS: list[Any] = [
    (1, 2), [(1,)], {"k": (1,)}, b"x", bytearray(b"x"), {1}, 1j, 2**64, -(2**63) - 1, [2**64],
    math.nan, math.inf, -math.inf, [math.nan], {"k": -math.inf}, [None, math.nan], "\ud800", ["\ud800"],
    {"\ud800": 1}, {1: 2}, {None: 1}, {"$k": 1}, {"$float": "nan"}, {Text("k"): 1}, Text("x"), [Text("x")],
    Colour.RED, Level.LOW, [Level.LOW], {"k": Colour.RED}, np.float64(1.0), [np.float64(1.0)], np.int64(1),
    {"k": np.bool_(1)}, np.str_("x"), {np.str_("k"): 1}, np.zeros(2), OrderedDict(a=1), [[1]], {"k": []},
    [{}], object(), Ellipsis, json,
]  # fmt: skip


def test_flat_values_are_written_as_each_by_itself() -> None:
    """One array has the texts that `to_json` gives, byte for byte."""
    values = [value for value in FLAT if value != "$x"]
    table = encode_table(values)
    assert table is not None
    texts = [to_json(value) for value in values]
    assert None not in texts
    assert table.text == b"[" + b",".join(text for text in texts if text is not None) + b"]"


@pytest.mark.parametrize("value", OTHERS, ids=lambda value: f"{type(value).__name__}")
def test_anything_else_is_refused(value: object) -> None:
    """Alone, and among flat values: what JSON would alter, and what needs a tag or a second look."""
    assert encode_table([value]) is None
    assert encode_table([1, {"a": 1}, value, [None]]) is None
    assert encode_table([{"a": 1}, {"b": value}]) is None


def test_what_did_not_change_is_given_again() -> None:
    """Equal values of equal types in equal order, in whichever objects."""
    first = encode_table([{"a": 1, "b": 2.0}, [1, "x"], None])
    assert first is not None
    assert encode_table([{"a": 1, "b": 2.0}, [1, "x"], None], first) is first


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (1, True), (0, False), (1, 1.0), (0.0, -0.0), ({"a": 1, "b": 2}, {"b": 2, "a": 1}), ([], {}), (None, 0),
        ([1], [1, 1]), ({"a": 1}, {"a": True}), ("1", 1), ([1], [1.0]), (["ab"], ["a", "b"]),
    ],
)  # fmt: skip
def test_no_change_is_missed(old: object, new: object) -> None:
    """What is equal to Python, or looks alike, is another value all the same."""
    last, changed = encode_table([old]), encode_table([new])
    assert last is not None
    assert changed is not None
    found = encode_table([new], last)
    assert found == changed
    assert found != last


@pytest.mark.parametrize("new", [(1, 2), [math.nan], np.float64(1), [[1]], Level.LOW, b"x"])
def test_what_turned_out_of_shape_is_refused(new: object) -> None:
    """The mark of an earlier table does not let it through."""
    for old in ([1, 2], [None], 1.0, [1], 1, "x"):
        last = encode_table([old])
        assert last is not None
        assert encode_table([new], last) is None


def test_an_array_that_shows_its_memory_is_no_value_of_a_table() -> None:
    """What marshal takes for bytes is neither copied nor compared."""
    last = encode_table([{"a": 1}])
    assert encode_table([np.zeros(3)], last) is None
    assert encode_table([{"a": np.zeros(3)}], last) is None
