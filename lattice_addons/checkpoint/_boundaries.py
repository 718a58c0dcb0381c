"""Where a stream of bytes is cut depends on the bytes around, so that an insertion moves the cuts and keeps them.

A window of bytes is taken for a number and multiplied by a constant; where the product has a certain pattern, a piece
ends. That is done for thousands of windows at once: all bytes of a block are one large number, whose product has, at
each place, that of the window which ends there, and what little is carried over from below. It is the same
everywhere, and takes nothing but Python's integers. Four fifths of the bytes are not looked at: behind a cut they are
passed over until a piece is long enough.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from lattice_addons.checkpoint._model import CHUNK

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Cutter", "by_content", "longest"]

# What is stored already is found again only while these stay as they are. Two digits of Python's integers, as a third
# would take half as long again.
_FACTOR: Final = 0xE151628AED2A6B7
_FACTOR_BYTES: Final = 8
# 14 bits of two bytes.
_PATTERN: Final = re.compile(rb"\xa7[\x3c\x7c\xbc\xfc]")
# How many bytes before a place have part in its product: as many as the factor has, and some for what is carried.
_WINDOW: Final = 16
_BLOCK: Final = 4 * 1024
# A piece has at least so many bytes, and ends where the pattern comes next: once in a quarter as many places. Were it
# more often, less would be looked at, but behind a long insertion the cuts would not soon be those from before.
_LEAST: Final = 64 * 1024
_MOST: Final = 8 * _LEAST
# Further on pieces are longer, lest manifests be: twice as long behind so many bytes, four times behind twice as many.
# It goes by the place and not by the size of it all, so that what grows keeps its cuts.
_LONGER: Final = 16 * 1024 * 1024
_LEVELS: Final = 4
# What is behind the last cut is cut by place until it is long enough to be cut by content: a line that is appended
# to a log must not cost the whole piece that it stands in.
_SHORT: Final = (64 * 1024, 4 * 1024)


class Cutter:
    """Cuts a stream, which comes in whatever pieces, into pieces of at most 4 MiB.

    ``rest`` is what is not cut yet, and begins at this ``place``.
    """

    def __init__(self) -> None:
        self.rest = bytearray()
        self.place = 0

    def feed(self, piece: bytes | bytearray | memoryview) -> Iterator[bytes]:
        """Take the next bytes, and give what can be cut off now."""
        with memoryview(piece) as view:
            # However many come: what is kept of them is little.
            for at in range(0, len(view), CHUNK):
                self.rest += view[at : at + CHUNK]
                while cut := self.cut():
                    yield cut

    def cut(self) -> bytes:
        """Cut off a piece, if there is enough for the cut to be where it would be if all the rest were here."""
        if len(self.rest) < longest(self.place):
            return b""
        return self._take(_length(self.rest, _level(self.place)))

    def end(self) -> Iterator[bytes]:
        """Give the rest, behind which nothing comes."""
        while self.rest:
            length = _length(self.rest, _level(self.place))
            if length == len(self.rest):
                # The end, which more will come behind if this grows: short pieces, so that little is stored again.
                length = _length(self.rest, 0)
            if length == len(self.rest):
                length = next((short for short in _SHORT if short <= length), length)
            yield self._take(length)

    def drop(self, length: int) -> None:
        """Let go of so many bytes."""
        del self.rest[:length]
        self.place += length

    def _take(self, length: int) -> bytes:
        with memoryview(self.rest) as view:
            cut = bytes(view[:length])
        self.drop(length)
        return cut


def by_content(pieces: Iterable[bytes | memoryview]) -> Iterator[bytes]:
    """Cut a stream into pieces of at most 4 MiB, whatever pieces it comes in."""
    cutter = Cutter()
    for piece in pieces:
        yield from cutter.feed(piece)
    yield from cutter.end()


def _level(place: int) -> int:
    return min((place // _LONGER).bit_length(), _LEVELS)


def longest(place: int) -> int:
    """Give how long a piece that begins at a place is at most."""
    return min(_MOST << _level(place), CHUNK)


def _length(rest: bytearray, level: int) -> int:
    """Give where the first piece ends."""
    end = min(len(rest), _MOST << level, CHUNK)
    # Of longer pieces the ends are among those of shorter ones.
    mask = (1 << level) - 1
    for start in range(_LEAST << level, end, _BLOCK):
        block = rest[start - _WINDOW : min(start + _BLOCK, end)]
        product = int.from_bytes(block, "little") * _FACTOR
        found = _find(product.to_bytes(len(block) + _FACTOR_BYTES, "little"), len(block), mask)
        if found:
            return start - _WINDOW + found
    return end


def _find(product: bytes, length: int, mask: int) -> int:
    """Give the place behind the first pattern; 0 without one."""
    for match in _PATTERN.finditer(product, _WINDOW - 2, length - 1):
        if not product[match.end()] & mask:
            return match.end() + 1
    return 0
