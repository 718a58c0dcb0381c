"""Small and compressed pieces are put together before they are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons.checkpoint._kept import KEPT
from lattice_addons.checkpoint._model import CHUNK

if TYPE_CHECKING:
    from lattice_addons.checkpoint._kept import Block
    from lattice_addons.checkpoint._pieces import Piece

__all__ = ["Tail"]


class Tail:
    """A block, and which pieces lie where in it, one tightly behind the other."""

    def __init__(self) -> None:
        self.block: Block | None = None
        self.size = 0
        self.pieces: list[tuple[Piece, int]] = []

    def fits(self, data: bytes | memoryview) -> bool:
        """Say whether there is room for this."""
        return self.size + len(data) <= CHUNK

    def append(self, piece: Piece, data: bytes | memoryview) -> None:
        """Put it behind what is there."""
        if self.block is None:
            self.block = KEPT.block()
        self.block.view[self.size : self.size + len(data)] = data
        self.pieces.append((piece, self.size))
        self.size += len(data)
