"""Values that are nested deeply, and programs that are deep down themselves, lose nothing."""

# ruff: noqa: D105  small classes that pickle badly

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from lattice_addons.encoding import _deep, encode
from lattice_addons.errors import EncodeError
from lattice_addons.testing._encoders import restored
from tests.program import Program
from tests.unit.encoding.classes import Point, Slotted

if TYPE_CHECKING:
    from pathlib import Path


def chain(length: int) -> Slotted:
    """Make objects each of which holds the next."""
    head = Slotted(None)
    for _ in range(length):
        head = Slotted(head)
    return head


def length_of(head: Any) -> int:
    """Count the objects of a chain."""
    length = 0
    while head.part is not None:
        head, length = head.part, length + 1
    return length


def test_thousands_of_linked_objects_come_back() -> None:
    """Too deep for this thread, and tried again in one with room; the limit is as it was."""
    usual = sys.getrecursionlimit(), threading.stack_size()
    for length in (3000, 20_000):
        assert length_of(restored(encode(chain(length)))) == length
    assert (sys.getrecursionlimit(), threading.stack_size()) == usual


class Generous:
    """A class whose ``__reduce__`` makes a new object each time."""

    def __reduce__(self) -> Any:
        return (Generous, (Generous(),))


@pytest.mark.parametrize("most", [20_000, pytest.param(_deep._DEEPEST, marks=pytest.mark.one_python)])
def test_too_deep_a_nesting_is_an_encode_error(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no segmentation fault, nor a traceback of as many frames."""
    monkeypatch.setattr(_deep, "_DEEPEST", most)
    with pytest.raises(EncodeError, match="nested too deeply") as caught:
        encode(Generous())
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_endless_reduction_is_an_encode_error() -> None:
    """A ``__reduce__`` that calls itself runs out of room in any thread."""

    class Endless:
        def __reduce__(self) -> Any:
            return self.__reduce__()

    with pytest.raises(EncodeError, match="nested too deeply"):
        encode((Endless(),))


def test_encoding_works_near_the_recursion_limit() -> None:
    """As in a signal handler that finds the program deep down."""
    value = {"a": (Point(1, [Point(2)]), lambda: 5)}

    def deep(levels: int) -> Any:
        return deep(levels - 1) if levels else encode(value)

    worked = 0
    for levels in range(sys.getrecursionlimit() - 200, sys.getrecursionlimit()):
        try:
            encoded = deep(levels)
        except (RecursionError, EncodeError):  # no room even to call us, or to start the thread
            continue
        assert restored(encoded)["a"][0] == value["a"][0]
        worked += 1
    assert worked > 100


def test_linked_objects_come_back_from_the_end_of_a_program(tmp_path: Path) -> None:
    """In atexit, where Python 3.12 starts no thread."""
    source = """
        import atexit
        from lattice_addons.encoding import decode, encode

        class Node:
            def __init__(self, next):
                self.next = next

        head = None
        for _ in range(3000):
            head = Node(head)

        @atexit.register
        def save():
            encoded = encode(head)
            back = decode(encoded.encoding, None, [bytearray(encoded.buffers[0])])
            length = 0
            while back:
                back, length = back.next, length + 1
            print(length)
    """
    ran = Program(tmp_path, source).run()
    assert (ran.stdout, ran.stderr) == ("3000\n", "")
