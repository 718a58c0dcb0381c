"""A large pickle has no marks that an insertion would move, and is an ordinary pickle all the same."""

from __future__ import annotations

import pickle
import pickletools
import random
from typing import Any

import pytest

from lattice_addons.encoding import encode
from lattice_addons.testing._encoders import restored, stored_bytes
from tests.unit.encoding.classes import Point

KIB = 1024
# About the size from which the pickler hands bytes on alone, and about that of a frame.
SIZES = (0, 1, 255, 256, 65_000, 65_535, 65_536, 65_537, 200_000)


def payload_of(value: object) -> bytes:
    """Pickle it."""
    encoded = encode(value)
    assert encoded.encoding == "pickle"
    return bytes(stored_bytes(encoded.buffers[0]))


def counted(payload: bytes, *names: str) -> list[int]:
    """Say how often each of these opcodes is there."""
    found = [opcode.name for opcode, _, _ in pickletools.genops(payload)]
    return [found.count(name) for name in names]


def parts(kind: type, count: int = 3500) -> Any:
    """Give a container of some thousand tuples."""
    items = [(number, str(number) * 5) for number in range(count)]
    return dict(enumerate(items)) if kind is dict else kind(items)


@pytest.mark.parametrize(
    ("kind", "end"), [(list, "APPENDS"), (dict, "SETITEMS"), (set, "ADDITEMS")], ids=["list", "dict", "set"]
)
def test_a_large_container_is_written_in_one_go(kind: type, end: str) -> None:
    """One mark, one end, and no frames."""
    value = parts(kind)
    payload = payload_of(value)
    assert counted(payload, "FRAME", "MARK", end) == [0, 1, 1]
    assert pickle.loads(payload) == restored(encode(value)) == value


def test_small_pickles_are_what_they_always_were() -> None:
    """A byte more or less would make a new chunk of each."""
    for value in ((1, 2), [Point(1), Point(2)], parts(list, 1000), {1: b"x" * 100}):
        assert payload_of(value) == pickle.dumps(value, 5)


def test_only_the_first_frame_is_written() -> None:
    """Where the value has no large container."""
    value = {"records": parts(tuple, 20_000), "more": [b"x" * 100_000, b"y" * 10]}
    payload = payload_of(value)
    assert len(payload) > 500 * KIB
    assert counted(payload, "FRAME") == [1]
    assert pickle.loads(payload) == restored(encode(value)) == value


@pytest.mark.parametrize("seed", range(12))
def test_whatever_it_holds_comes_back(seed: int) -> None:
    """Bytes and texts of all lengths, wherever frames would have ended; read by the pickles of Python and C."""
    source = random.Random(seed)
    makes: list[Any] = [
        source.randbytes,
        lambda size: "x" * size,
        lambda size: bytearray(b"\x95" * size),
        lambda size: b"\x95" + size.to_bytes(8, "little") + b"t\x94." * (size // 3),
        lambda size: [size] * (size % 1500),
        Point,
    ]
    held = [source.choice(makes)(source.choice(SIZES)) for _ in range(60)]
    small = [(number,) for number in range(source.choice((900, 1001, 5000)))]
    value: Any = source.sample(held + small, len(held + small))
    for each in (value, dict(enumerate(value)), (value,), {"a": value}):
        payload = payload_of(each)
        assert counted(payload, "FRAME")[0] <= 1
        assert pickle.loads(payload) == each
        assert pickle._loads(payload) == each  # type: ignore[attr-defined]
        assert restored(encode(each)) == each


def test_what_is_the_same_object_stays_so() -> None:
    """Also the container itself, where it is a part of what it holds."""
    point = Point(1)
    value: list[Any] = [*parts(list), point, [point]]
    value += [value, {"self": value}]
    back: Any = restored(encode(value))
    assert back[-2] is back
    assert back[-1]["self"] is back
    assert back[-3][0] is back[-4]
    table: dict[Any, Any] = parts(dict)
    table["self"] = (table,)
    back = restored(encode(table))
    assert back["self"][0] is back


def test_subclasses_go_as_they_do() -> None:
    """Only a list, dict or set itself is taken apart."""

    class Own(list[Any]):
        pass

    value = Own(parts(list))
    value.name = "own"  # type: ignore[attr-defined]
    back: Any = restored(encode(value))
    assert type(back).__name__ == "Own"
    assert (back, back.name) == (value, "own")


def test_what_cannot_be_pickled_is_found_in_it() -> None:
    """With its place in the value, and whatever needs cloudpickle gets it."""
    value = [*parts(list), lambda: 5]
    encoded = encode(value)
    assert encoded.encoding == "cloudpickle"
    back: Any = restored(encoded)
    assert back[-1]() == 5
