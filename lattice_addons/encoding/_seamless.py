"""A pickle needs no marks whose places depend on all that comes before, so that an insertion only moves what is behind.

The C pickler puts what it writes into frames of 64 KiB, and the items of a list, dict or set into batches of 1,000.
Where a frame or a batch begins depends on the number of bytes or items before it: of a stream that is cut by its
content nothing would be found again behind an insertion. Readers need neither. Only the first frame of a pickle that
is written in one go is kept: most pickles have no other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from lattice_addons.encoding._pickler import Writable

__all__ = ["REMEMBER", "Seamless"]

_PROTOCOL: Final = b"\x80\x05"
_FRAME: Final = b"\x95"
_FRAME_HEADER: Final = 9
_STOP: Final = b"."
#: Gives the next number to what was made last.
REMEMBER: Final = b"\x94"
# As long as the pickler remembers so much, what it remembers is quickly copied.
_LITTLE: Final = 2000
# How a tuple of more than three ends.
_TUPLE_END: Final = b"t" + REMEMBER


class Seamless:
    """Hands on what the C pickler writes, without all that readers do not need."""

    def __init__(self, payload: Writable) -> None:
        self._payload = payload
        self._in_parts = False
        self._begun = False
        self._announced = False
        self._end = self._in_place_of_it = b""
        self._last = b""
        self._remembered = 0

    @property
    def remembers_little(self) -> bool:
        """Tell whether it is little that the pickler remembers of what it wrote in parts."""
        return self._remembered <= _LITTLE

    def open(self, numbers: int) -> None:
        """Begin a pickle that is written in parts; so many first numbers are kept for what gets them later."""
        self._in_parts = True
        self._payload.write(_PROTOCOL + b"N" + REMEMBER * numbers + b"0")

    def put(self, opcodes: bytes) -> None:
        """Write what is no part."""
        self._payload.write(opcodes)

    def begin(self, instead: bytes | None = None) -> None:
        """Expect a part: what the pickler writes next; ``instead`` of its end as a tuple, if that is given."""
        self._begun = self._announced = False
        self._end = _STOP if instead is None else _TUPLE_END + _STOP
        # The pickler has counted the tuple.
        self._in_place_of_it = b"" if instead is None else instead + REMEMBER

    def end(self) -> None:
        """End a part."""
        if self._last != self._end:
            raise AssertionError(f"the pickler ended a part with {self._last!r}")
        self._last = b""
        if self._in_place_of_it:
            self._payload.write(self._in_place_of_it)

    def close(self) -> None:
        """End a pickle that was written in parts."""
        self._payload.write(_STOP)

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
        if not self._in_parts:
            self._payload.write(data if first else data[start:])
            return
        if self.remembers_little:
            self._remembered += data.count(REMEMBER)
        whole = self._last + data[start:]
        self._last = b""
        self._hand_on(whole[-len(self._end) :], whole[: -len(self._end)])

    def _hand_on(self, last: bytes, data: bytes) -> None:
        """Hand on all but what may be the end."""
        if self._last:
            self._payload.write(self._last)
        self._last = last
        if data:
            self._payload.write(data)
