"""Plain data is readable JSON, and comes back exactly."""

from __future__ import annotations

import json
import math
import sys
import threading
from collections import OrderedDict
from enum import IntEnum
from typing import Any

import pytest

from lattice_addons.encoding import decode, encode, is_plain
from lattice_addons.errors import DecodeError
from lattice_addons.testing._encoders import restored


class Colour(IntEnum):
    """An int that JSON would make a bare one."""

    RED = 1


class Name(str):
    """A str that JSON would make a bare one."""

    __slots__ = ()


def refused_constant(name: str) -> None:
    """Fail at NaN and Infinity, which are no JSON."""
    raise AssertionError(name)


EXACT: list[Any] = [
    None,
    True,
    0,
    -(2**63),
    2**64 - 1,
    2**64,
    -(2**63) - 1,
    10**400,
    -(10**5000),
    0.0,
    0.1,
    5e-324,
    sys.float_info.max,
    "",
    "é \x00 \N{SNOWMAN} \U0001f600",
    [],
    {},
    [[], {}],
    {"": {"a": [1, 2.0, "3", None, False]}},
    {"$": 1, "$$": 2, "$float": "nan", "$int": 3},
    {"$float": "nan"},
    {"$int": "12"},
    [{"$int": {"$float": []}}],
    {"big": 2**70, "text": "$float"},
]


@pytest.mark.parametrize(
    "value", EXACT, ids=lambda value: f"{value!r:.30}" if type(value) is not int else "int"
)
def test_plain_values_come_back(value: object) -> None:
    """Value and types are those that were stored."""
    encoded = encode(value)
    assert encoded.encoding == "json"
    assert encoded.buffers == ()
    back = restored(encoded, trust="safe")
    assert back == value
    assert type(back) is type(value)


@pytest.mark.parametrize(
    "value", EXACT, ids=lambda value: f"{value!r:.30}" if type(value) is not int else "int"
)
def test_the_text_is_strict_json(value: object) -> None:
    """Any other program can read it."""
    text = encode(value).value
    assert text is not None
    json.loads(text, parse_constant=refused_constant)


def test_non_finite_floats_and_signed_zero_come_back() -> None:
    """JSON has no word for them, or another library would lose them."""
    numbers = [math.nan, math.inf, -math.inf, -0.0, {"loss": math.nan}]
    encoded = encode(numbers)
    assert json.loads(encoded.value or b"", parse_constant=refused_constant)[0] == {"$float": "nan"}
    nan, inf, minus, zero, nested = restored(encoded)
    assert math.isnan(nan)
    assert (inf, minus) == (math.inf, -math.inf)
    assert math.copysign(1, zero) == -1
    assert math.isnan(nested["loss"])
    assert math.isnan(restored(encode(math.nan)))


def test_the_text_is_readable() -> None:
    """A person sees the values in the manifest."""
    assert encode({"lr": 0.1, "steps": [1, 2]}).value == b'{"lr":0.1,"steps":[1,2]}'
    assert encode(1).type == "builtins.int"


@pytest.mark.parametrize(
    "value",
    [
        (1,),
        {1: 2},
        {"a": (1,)},
        [{"a": {None: 1}}],
        Colour.RED,
        Name("x"),
        {Name("x"): 1},
        [Name("x")],
        OrderedDict(a=1),
        b"bytes",
        {1, 2},
        1j,
        "\ud800",
        {"\ud800": 1},
        ["$", "\ud800", math.inf],
    ],
    ids=repr,
)
def test_what_json_would_alter_is_not_plain(value: object) -> None:
    """It is pickled instead, and comes back as what it was."""
    assert not is_plain(value)
    encoded = encode(value)
    assert encoded.encoding == "pickle"
    back = restored(encoded)
    assert back == value
    assert type(back) is type(value)


def test_a_list_at_two_places_stays_one_list() -> None:
    """JSON would make two of it, so it is not plain."""
    shared: list[int] = []
    back: Any = restored(encode({"a": shared, "b": {"c": shared}}))
    assert back["a"] is back["b"]["c"]
    assert not is_plain([shared, shared])
    assert is_plain([[], []])


def test_a_list_in_itself_comes_back() -> None:
    """A cycle is not plain, and does not keep anybody busy for ever."""
    cycle: list[Any] = []
    cycle.append(cycle)
    back: Any = restored(encode(cycle))
    assert back[0] is back


@pytest.mark.parametrize("depth", [200, 300, 2000])
def test_deep_nesting_comes_back(depth: int) -> None:
    """As JSON as far as JSON libraries go, pickled beyond."""
    value: list[Any] = [math.inf]
    for _ in range(depth):
        value = [value]
    back: Any = restored(encode(value))
    for _ in range(depth):
        assert len(back) == 1
        back = back[0]
    assert back == [math.inf]


def test_a_long_text_may_be_a_buffer() -> None:
    """A text too long for the manifest is stored as the first buffer."""
    text = encode({"$a": [1, math.inf]}).value
    assert text is not None
    for buffer in (bytearray(text), memoryview(text)):
        assert decode("json", None, [buffer]) == {"$a": [1, math.inf]}


def test_encoding_leaves_the_value_alone() -> None:
    """Tags are put into a copy."""
    inner = [math.inf, 2**80]
    value = {"$a": inner, "b": {"$c": inner[0]}}
    encode(value)
    assert value == {"$a": inner, "b": {"$c": math.inf}}
    assert value["$a"] is inner
    assert inner == [math.inf, 2**80]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"nul",
        b'{"a":1}}',
        b"\xff",
        b'{"$other":1}',
        b'{"$int":"1e5"}',
        b'{"$int":"","b":1}',
        b'{"$int":"0x"}',
    ],
)
def test_altered_text_is_a_decode_error(text: bytes) -> None:
    """One clear error, whatever somebody wrote there."""
    with pytest.raises(DecodeError):
        decode("json", text, [])


def test_no_bytes_at_all_is_a_decode_error() -> None:
    """Neither text nor buffer."""
    with pytest.raises(DecodeError, match="has no bytes"):
        decode("json", None, [])


def test_what_another_thread_puts_in_is_never_altered() -> None:
    """A tuple that appears while the value is encoded is not written as a list."""
    value: dict[str, Any] = {str(number): [number] for number in range(200)}
    stop = threading.Event()

    def mutate() -> None:
        while not stop.is_set():
            value["100"] = (1, 2)
            value["extra"] = [1]
            value["100"] = [3, 4]
            del value["extra"]

    thread = threading.Thread(target=mutate)
    thread.start()
    try:
        for _ in range(300):
            encoded = encode(value)
            back: Any = restored(encoded)
            assert back["100"] in ([100], [3, 4], (1, 2))
    finally:
        stop.set()
        thread.join()
