"""A stored array goes only into memory of just its type, shape and order."""

from __future__ import annotations

import array
import mmap
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lattice_addons.encoding import encode, memory_for
from lattice_addons.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Callable


def memory(value: object, target: object) -> memoryview:
    """Give the memory of the target for a stored value."""
    encoded = encode(value)
    return memory_for(target, encoded.encoding, encoded.value or b"", encoded.type)


RECORDS = np.dtype([("a", "<i4"), ("b", "<f8", (2,))])
VALUES: list[Any] = [
    np.arange(12, dtype="f4").reshape(3, 4),
    np.asfortranarray(np.arange(12, dtype="i2").reshape(3, 4)),
    np.array(7.5),
    np.zeros((3, 0)),
    np.array(["2026-01-01"], "M8[D]"),
    np.zeros(3, RECORDS),
    np.array([True, False]),
]


@pytest.mark.parametrize("value", VALUES, ids=str)
def test_an_array_of_the_same_kind_is_filled(value: np.ndarray[Any, Any]) -> None:
    """What is written to the memory is in the target."""
    target = np.full_like(value, fill_value=0)
    view = memory(value, target)
    assert view.nbytes == value.nbytes
    view[:] = value.tobytes("A")
    assert np.array_equal(target, value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: bytearray(16),
        lambda: mmap.mmap(-1, 16),
        lambda: array.array("f", [0] * 4),
        lambda: memoryview(np.zeros(4, "f4")),
        lambda: np.zeros(4, "f4").view(np.recarray),
    ],
)
def test_other_memory_is_filled(make: Callable[[], Any]) -> None:
    """Whatever shows its memory: as bytes, or as elements of the stored type."""
    target = make()
    view = memory(np.arange(4, dtype="f4"), target)
    view[:] = np.arange(4, dtype="f4").tobytes()
    assert bytes(memoryview(target).cast("B")) == np.arange(4, dtype="f4").tobytes()


def _read_only() -> np.ndarray[Any, Any]:
    target = np.zeros((3, 4), "f4")
    target.flags.writeable = False
    return target


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: np.zeros((3, 4), "f8"), "give one of float32"),
        (lambda: np.zeros((3, 4), ">f4"), "give one of float32"),
        (lambda: np.zeros((4, 3), "f4"), r"give one of shape \(3, 4\)"),
        (lambda: np.zeros(12, "f4"), r"give one of shape \(3, 4\)"),
        (lambda: np.zeros((3, 8), "f4")[:, ::2], "side by side"),
        (lambda: np.zeros((4, 3), "f4").T, "side by side"),
        (_read_only, "read-only"),
        (lambda: bytes(48), "read-only"),
        (lambda: bytearray(47), "give one of"),
        (lambda: [0.0] * 12, "give a NumPy array"),
        (lambda: "text", "give a NumPy array"),
        (lambda: array.array("d", [0] * 6), "give one of float32"),
    ],
)
def test_another_kind_is_refused(make: Callable[[], Any], told: str) -> None:
    """The error says what is stored, what was given, and what to give."""
    with pytest.raises(DecodeError, match=told) as caught:
        memory(np.zeros((3, 4), "f4"), make())
    assert "float32 array of shape (3, 4)" in str(caught.value)
    assert caught.value.type == "numpy.ndarray"


@pytest.mark.parametrize("value", [{"a": 1}, (1, 2), b"bytes"])
def test_only_arrays_go_into_memory(value: object) -> None:
    """Other values have no such bytes."""
    with pytest.raises(DecodeError, match="without `into`"):
        memory(value, bytearray(5))


@pytest.mark.parametrize("header", [b"{}", b"[]", b'{"dtype":"|O8","shape":[1],"order":"C"}', b"\xff"])
def test_a_header_that_says_nothing_is_refused(header: bytes) -> None:
    """As when it is decoded."""
    with pytest.raises(DecodeError, match="header"):
        memory_for(np.zeros(1), "numpy", header, "numpy.ndarray")
