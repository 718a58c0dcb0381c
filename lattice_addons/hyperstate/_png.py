"""A canvas of lines and small letters, written as PNG."""

from __future__ import annotations

import struct
import zlib
from typing import TypeAlias

__all__ = ["Canvas"]

Colour: TypeAlias = "tuple[int, int, int]"
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_WHITE = 255
_FIRST = 0x20
# Each character from the blank on, as five columns of seven dots, the lowest bit on top.
_FONT = bytes.fromhex(
    """
    0000000000 00005f0000 0007000700 147f147f14 242a7f2a12 2313086462 3649562050 0008070300 001c224100 0041221c00
    2a1c7f1c2a 08083e0808 0080703000 0808080808 0000606000 2010080402 3e5149453e 00427f4000 7249494946 2141494d33
    1814127f10 2745454539 3c4a494931 4121110907 3649494936 464949291e 0000140000 0040340000 0008142241 1414141414
    0041221408 0201590906 3e415d594e 7c1211127c 7f49494936 3e41414122 7f4141413e 7f49494941 7f09090901 3e41415173
    7f0808087f 00417f4100 2040413f01 7f08142241 7f40404040 7f021c027f 7f0408107f 3e4141413e 7f09090906 3e4151215e
    7f09192946 2649494932 03017f0103 3f4040403f 1f2040201f 3f4038403f 6314081463 0304780403 6159494d43 007f414141
    0204081020 004141417f 0402010204 4040404040 0003070800 2054547840 7f28444438 3844444428 384444287f 3854545418
    00087e0902 18a4a49c78 7f08040478 00447d4000 2040403d00 7f10284400 00417f4000 7c04780478 7c08040478 3844444438
    fc18242418 18242418fc 7c08040408 4854545424 04043f4424 3c4040207c 1c2040201c 3c4030403c 4428102844 4c9090907c
    4464544c44 0008364100 0000770000 0041360800 0201020402
    """
)
_COLUMNS, _ROWS = 5, 8


class Canvas:
    """White paper, on which is drawn in pixels from the left and from the top."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._rows = [bytearray([_WHITE]) * (3 * width) for _ in range(height)]

    def dot(self, x: int, y: int, colour: Colour) -> None:
        """Colour a pixel; one beside the paper is nothing."""
        if 0 <= x < self.width and 0 <= y < self.height:
            self._rows[y][3 * x : 3 * x + 3] = bytes(colour)

    def line(self, x: int, y: int, to_x: int, to_y: int, colour: Colour) -> None:
        """Draw a line between two pixels, both included."""
        steps = max(abs(to_x - x), abs(to_y - y), 1)
        for step in range(steps + 1):
            self.dot(x + (to_x - x) * step // steps, y + (to_y - y) * step // steps, colour)

    def text(self, x: int, y: int, text: str, colour: Colour) -> None:
        """Write a text in letters of five dots by seven; what is not ASCII is a question mark."""
        for number, letter in enumerate(text):
            code = ord(letter) if _FIRST <= ord(letter) < _FIRST + len(_FONT) // _COLUMNS else ord("?")
            columns = _FONT[(code - _FIRST) * _COLUMNS :][:_COLUMNS]
            for column, dots in enumerate(columns):
                for row in range(_ROWS):
                    if dots >> row & 1:
                        self.dot(x + number * (_COLUMNS + 1) + column, y + row, colour)

    def png(self) -> bytes:
        """Give the canvas as a PNG file."""
        # Eight bits a colour, three colours, no filter before any row.
        head = struct.pack(">IIBBBBB", self.width, self.height, 8, 2, 0, 0, 0)
        rows = b"".join(b"\0" + bytes(row) for row in self._rows)
        return (
            _SIGNATURE + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")
        )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
