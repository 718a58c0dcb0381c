"""A pickle needs no marks whose places depend on all that comes before, so that an insertion only moves what is behind.

The C pickler puts what it writes into frames of 64 KiB, and the items of a list, dict or set into batches of 1,000.
Where a frame or a batch begins depends on the number of bytes or items before it: of a stream that is cut by its
content nothing would be found again behind an insertion. Readers need neither. Only the first frame is kept: most
pickles have no other.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from lattice_addons.encoding._pickler import Writable

__all__ = ["Seamless", "opened"]

# What the C pickler puts into one batch. A tuple is written in one, however long it is.
_BATCH: Final = 1000
_PROTOCOL: Final = b"\x80\x05"
_FRAME: Final = b"\x95"
_FRAME_HEADER: Final = 9
# The end of a long tuple, and of the pickle.
_TUPLE: Final = b"t\x94."
# Of each kind: how an empty one begins, which is remembered as the first of all objects; and how all that was put on
# the stack since the mark goes into it.
_OPCODES: Final[dict[type, tuple[bytes, bytes]]] = {
    list: (b"]\x94", b"e."),
    dict: (b"}\x94", b"u."),
    set: (b"\x8f\x94", b"\x90."),
}


def opened(value: Any) -> tuple[Any, ...] | None:
    """Give what stands in a container of more than one batch, one behind the other; None for what is none."""
    kind = type(value)
    if kind not in _OPCODES or len(value) <= _BATCH:
        return None
    return tuple(chain.from_iterable(value.items()) if kind is dict else value)


class Seamless:
    """Hands on what the C pickler writes for one value, without all that readers do not need."""

    def __init__(self, payload: Writable) -> None:
        self._payload = payload
        self._begun = False
        self._announced = False
        self._in_place_of_tuple = b""
        self._last = b""

    def open(self, kind: type) -> None:
        """Begin a container; what is written next is a tuple of that which stands in it."""
        opening, self._in_place_of_tuple = _OPCODES[kind]
        self._payload.write(_PROTOCOL + opening)

    def close(self) -> None:
        """End the container in the place of the tuple."""
        if self._last != _TUPLE:
            raise AssertionError(f"the pickler ended a tuple with {self._last!r}")
        self._payload.write(self._in_place_of_tuple)

    def write(self, data: bytes) -> None:
        """Take a frame, perhaps with the beginning of large ``bytes`` behind it; or these, which come alone."""
        if self._announced:
            self._announced = False
            self._hand_on(b"", data)
            return
        begin = 0 if self._begun else len(_PROTOCOL)
        start = end = begin
        if data[begin : begin + 1] == _FRAME:
            start = begin + _FRAME_HEADER
            end = start + int.from_bytes(data[begin + 1 : start], "little")
        # Less than four bytes have no frame: either large bytes follow, or nothing does.
        self._announced = len(data) > end
        first, self._begun = not self._begun, True
        if not self._in_place_of_tuple:
            self._payload.write(data if first else data[start:])
            return
        whole = self._last + data[start:]
        self._last = b""
        self._hand_on(whole[-len(_TUPLE) :], whole[: -len(_TUPLE)])

    def _hand_on(self, last: bytes, data: bytes) -> None:
        """Hand on all but what may be the end."""
        if self._last:
            self._payload.write(self._last)
        self._last = last
        if data:
            self._payload.write(data)
