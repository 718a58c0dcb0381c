"""Where a stream of bytes is cut depends on the bytes around, so that an insertion moves the cuts and keeps them.

A window of bytes is taken for a number and multiplied by a constant; where the product has a certain pattern, a piece
ends. That is done for thousands of windows at once: all bytes of a block are one large number, whose product has, at
each place, that of the window which ends there, and what little is carried over from below. It is the same
everywhere, and takes nothing but Python's integers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lattice_addons.checkpoint._model import CHUNK

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["by_content"]

# What is stored already is found again only while these stay as they are.
_FACTOR: Final = 0xB7E151628AED2A6B
_FACTOR_BYTES: Final = 8
_PATTERN: Final = b"\xa7\x3c"
# How many bytes before a place have part in its product: as many as the factor has, and some for what is carried.
_WINDOW: Final = 16
_BLOCK: Final = 16 * 1024
# A piece has at least so many bytes, and ends where the pattern comes next: once in twice as many places.
_LEAST: Final = 32 * 1024
_MOST: Final = 16 * _LEAST
# Further on pieces are longer, lest manifests be: twice as long behind so many bytes, four times behind twice as many.
# It goes by the place and not by the size of it all, so that what grows keeps its cuts.
_LONGER: Final = 16 * 1024 * 1024
_LEVELS: Final = 4
# What is behind the last cut is cut by place until it is long enough to be cut by content: a line that is appended
# to a log must not cost the whole piece that it stands in.
_SHORT: Final = (64 * 1024, 4 * 1024)


def by_content(pieces: Iterable[bytes | memoryview]) -> Iterator[bytes]:
    """Cut a stream into pieces of at most 4 MiB, whatever pieces it comes in."""
    rest = bytearray()
    place = 0
    for piece in pieces:
        rest += piece
        # Only what is long enough for the cut to be where it would be if all the rest were here.
        while len(rest) >= _most(_level(place)):
            yield (cut := _take(rest, _length(rest, _level(place))))
            place += len(cut)
    while rest:
        length = _length(rest, _level(place))
        if length == len(rest):
            # The end, which more will come behind if this grows: short pieces, so that little is stored again.
            length = _length(rest, 0)
        if length == len(rest):
            length = next((short for short in _SHORT if short <= length), length)
        yield (cut := _take(rest, length))
        place += len(cut)


def _level(place: int) -> int:
    return min((place // _LONGER).bit_length(), _LEVELS)


def _most(level: int) -> int:
    return min(_MOST << level, CHUNK)


def _take(rest: bytearray, length: int) -> bytes:
    with memoryview(rest) as view:
        cut = bytes(view[:length])
    del rest[:length]
    return cut


def _length(rest: bytearray, level: int) -> int:
    """Give where the first piece ends."""
    end = min(len(rest), _most(level))
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
    at = product.find(_PATTERN, _WINDOW - 2, length - 1)
    while at >= 0:
        if not product[at + 2] & mask:
            return at + 3
        at = product.find(_PATTERN, at + 1, length - 1)
    return 0
