"""What is not plain is pickled, by reference where a name leads to it and by value where none does."""

from __future__ import annotations

import array
import collections
import copyreg
import enum
import io
import os
import pickle
import sys
import types
import weakref
from typing import Any, NamedTuple

import numpy as np
import pytest

from lattice_addons.encoding import Stream, decode, encode
from lattice_addons.testing._encoders import restored
from tests.unit.encoding.classes import Point


class Colour(enum.Enum):
    """An enum that can be imported."""

    RED = "red"


class Pair(NamedTuple):
    """A namedtuple that can be imported."""

    left: int
    right: int


@pytest.mark.parametrize(
    "value",
    [
        b"bytes",
        bytearray(b"x"),
        (1, [2]),
        {1: 2, (3, 4): {5}},
        frozenset({1}),
        1 + 2j,
        range(5),
        slice(1, 2),
        Point(1, Point(2)),
        Pair(1, 2),
        collections.Counter("abca"),
        collections.deque([1, 2], maxlen=5),
        collections.OrderedDict(a=1),
        array.array("d", [1, 2]),
        types.SimpleNamespace(a=1),
        ...,
        NotImplemented,
    ],
    ids=repr,
)
def test_values_come_back(value: object) -> None:
    """With the C pickler alone, and equal in value and type."""
    encoded = encode(value)
    assert encoded.encoding == "pickle"
    back = restored(encoded)
    assert back == value
    assert type(back) is type(value)


def test_classes_and_functions_that_can_be_imported_are_the_same_objects() -> None:
    """So that isinstance, ``is`` and == hold after a restart."""
    things = (
        Colour.RED,
        Colour,
        Point,
        Pair,
        test_values_come_back,
        len,
        os.path.join,
        type(None),
        type(...),
    )
    encoded = encode(things)
    assert encoded.encoding == "pickle"
    assert all(one is other for one, other in zip(things, restored(encoded), strict=True))


def test_functions_without_a_name_go_by_value() -> None:
    """Lambdas, closures and local functions, in the same pass as everything else."""
    base = 10

    def add(number: int) -> int:
        return base + number

    big = np.arange(100_000)
    encoded = encode({"functions": (add, lambda: Point(base)), "array": big})
    assert encoded.encoding == "cloudpickle"
    assert len(encoded.buffers) == 2
    back: Any = restored(encoded)
    assert back["functions"][0](5) == 15
    assert back["functions"][1]() == Point(10)
    assert (back["array"] == big).all()


def test_local_classes_go_by_value() -> None:
    """With their bases, that can be imported, by reference."""

    class Local(Point):
        pass

    class Choice(enum.Enum):
        ONE = 1

    encoded = encode([Local(1), Local(2), Choice.ONE])
    assert encoded.encoding == "cloudpickle"
    one, two, choice = restored(encoded)
    assert isinstance(one, Point)
    assert type(one) is type(two)
    assert choice.value == 1


def test_a_name_that_means_something_else_now_is_not_trusted() -> None:
    """A function whose name leads to another one goes by value."""

    def impostor() -> str:
        return "impostor"

    impostor.__qualname__ = impostor.__name__ = "test_values_come_back"
    encoded = encode(impostor)
    assert encoded.encoding == "cloudpickle"
    assert restored(encoded)() == "impostor"


def test_what_pickle_refuses_may_go_with_cloudpickle() -> None:
    """Read-only views of a dict, modules, and the like."""
    encoded = encode([types.MappingProxyType({"a": 1}), {"a": 1}.keys(), pickle])
    assert encoded.encoding == "cloudpickle"
    view, keys, module = restored(encoded)
    assert view["a"] == 1
    assert list(keys) == ["a"]
    assert module is pickle


def test_what_cloudpickle_refuses_may_go_with_dill() -> None:
    """And dill, once imported, changes nothing for other pickles."""
    point = Point(1)
    before = {kind: pickle._Pickler.dispatch.get(kind) for kind in (dict, type, types.FunctionType)}
    table = dict(copyreg.dispatch_table)
    encoded = encode([point, weakref.ref(point), np.arange(100_000)])
    assert encoded.encoding == "dill"
    assert "dill" in sys.modules
    assert len(encoded.buffers) == 2
    back, reference, numbers = restored(encoded)
    assert reference() is back
    assert type(back) is Point
    assert numbers[-1] == 99_999
    for kind, method in before.items():
        assert pickle._Pickler.dispatch.get(kind) is method
    assert copyreg.dispatch_table == table
    assert encode({1: point}).encoding == "pickle"


def test_large_bytes_are_not_copied() -> None:
    """They are a part of the payload that is read while it is written."""
    big = bytes(8_000_000)
    encoded = encode({"a": (big, b"x" * 2_000_000), "b": [1]}, copy=True)
    (payload,) = encoded.buffers
    assert isinstance(payload, Stream)
    pieces = list(payload.pieces())
    assert max(map(len, pieces)) == 4 * 1024 * 1024
    assert sum(map(len, pieces)) == payload.size == encoded.size
    assert any(part is big for part in payload._parts)  # type: ignore[attr-defined]
    assert restored(encoded) == {"a": (big, b"x" * 2_000_000), "b": [1]}


def test_a_bytearray_may_change_while_it_is_written() -> None:
    """What can be changed is copied at once, however large."""
    value = bytearray(3_000_000)
    encoded = encode(value)
    value[:] = b"x" * len(value)
    value.append(1)
    assert restored(encoded) == bytearray(3_000_000)


def test_pickles_of_old_protocols_are_read() -> None:
    """Line by line, as protocol 0 is."""
    for protocol in range(6):
        payload = pickle.dumps({"a": Point(1), "text": "x\n" * 10}, protocol)
        assert decode("pickle", None, [memoryview(payload)]) == {"a": Point(1), "text": "x\n" * 10}


def test_text_in_memory_is_no_open_file() -> None:
    """StringIO and BytesIO hold all there is of them."""
    text, data = io.StringIO("abc"), io.BytesIO(b"abc")
    text.read(2)
    back: Any = restored(encode((text, data)))
    assert back[0].read() == "c"
    assert back[1].getvalue() == b"abc"


def test_a_weak_proxy_stands_for_the_object_beside_it() -> None:
    """And not for a second one like it; nor does it become the object itself."""
    point = Point(1)
    back = restored(encode([weakref.proxy(point), point]))
    assert type(back[0]) is weakref.ProxyType
    back[1].x = 2
    assert back[0].x == 2
