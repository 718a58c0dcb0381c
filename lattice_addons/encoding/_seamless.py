"""A pickle needs no marks whose places depend on all that comes before, so that an insertion only moves what is behind.

The C pickler puts what it writes into frames of 64 KiB, and the items of a list, dict or set into batches of 1,000.
Where a frame or a batch begins depends on the number of bytes or items before it: of a stream that is cut by its
content nothing would be found again behind an insertion. Readers need neither. Only the first frame is kept: most
pickles have no other.

A container that is to be without batches is given to the pickler as a tuple, which has none. All of them are made,
empty, and remembered, before any is filled: they have their numbers whatever they hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lattice_addons.encoding._pickler import Writable

__all__ = ["Seamless"]

_PROTOCOL: Final = b"\x80\x05"
_FRAME: Final = b"\x95"
_FRAME_HEADER: Final = 9
_MARK, _POP, _STOP, _REMEMBER, _RECALL = b"(", b"0", b".", b"\x94", b"h"
# Short tuples are written without a mark.
_TUPLE: Final = b"t"
_SHORT_TUPLES: Final = {1: b"\x85", 2: b"\x86", 3: b"\x87"}
_END: Final = len(_TUPLE + _REMEMBER + _STOP)
# Of each kind: how an empty one begins; and how all that was put on the stack since the mark goes into it.
_OPCODES: Final[dict[type, tuple[bytes, bytes]]] = {
    list: (b"]", b"e"),
    dict: (b"}", b"u"),
    set: (b"\x8f", b"\x90"),
}


class Seamless:
    """Hands on what the C pickler writes for one value, without all that readers do not need."""

    def __init__(self, payload: Writable) -> None:
        self._payload = payload
        self._begun = False
        self._in_parts = False
        self._announced = False
        self._tuple = self._in_place_of_it = b""
        self._last = b""

    def open(self, kinds: Sequence[type], *, whole: bool) -> None:
        """Make containers, numbered in this order; if one is the ``whole`` value, it is the first."""
        made = [_OPCODES[kind][0] + _REMEMBER + _POP for kind in kinds]
        if whole:
            made[0] = made[0].removesuffix(_POP)
        self._payload.write(_PROTOCOL + b"".join(made))
        self._in_parts = True

    def fill(self, number: int, kind: type, count: int, *, whole: bool) -> None:
        """Begin to fill a container; what is written next is a tuple of the ``count`` things that stand in it."""
        self.begin()
        self._tuple = _SHORT_TUPLES.get(count, _TUPLE) + _REMEMBER + _STOP
        # The pickler has counted the tuple.
        end = _STOP if whole else _REMEMBER + _POP
        self._in_place_of_it = _OPCODES[kind][1] + end
        self._payload.write(
            (b"" if whole else _RECALL + bytes([number])) + (_MARK if count in _SHORT_TUPLES else b"")
        )

    def close(self) -> None:
        """End the container in the place of the tuple."""
        if self._last != self._tuple:
            raise AssertionError(f"the pickler ended a tuple with {self._last!r}")
        self._payload.write(self._in_place_of_it)
        self._in_place_of_it = self._last = b""

    def begin(self) -> None:
        """Expect the beginning of what is written next."""
        self._begun = self._announced = False

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
        first, self._begun = not (self._begun or self._in_parts), True
        if not self._in_place_of_it:
            self._payload.write(data if first else data[start:])
            return
        whole = self._last + data[start:]
        self._last = b""
        self._hand_on(whole[-_END:], whole[:-_END])

    def _hand_on(self, last: bytes, data: bytes) -> None:
        """Hand on all but what may be the end."""
        if self._last:
            self._payload.write(self._last)
        self._last = last
        if data:
            self._payload.write(data)
