"""A text that is too long for its manifest is stored beside it, and cut anew only where it is not what it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons.checkpoint._boundaries import by_content
from lattice_addons.checkpoint._pieces import Piece
from lattice_addons.encoding import STREAMED, Joined

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lattice_addons.checkpoint._model import Chunk
    from lattice_addons.checkpoint._pack import PackWriter
    from lattice_addons.checkpoint._pieces import Saved
    from lattice_addons.encoding import Buffer

__all__ = ["add_text", "as_stored"]


def as_stored(text: bytes) -> Buffer:
    """Give a text as what it is stored as: a long one is cut by its content, as pickles are."""
    return Joined([text]) if len(text) >= STREAMED else text


def add_text(
    pack: PackWriter, text: bytes, saved: Sequence[Saved], here: Callable[[Chunk], Chunk | None]
) -> list[Piece]:
    """Let a pack take a text in, and give its pieces; ``saved`` is what was saved of them last."""
    if len(text) < STREAMED:
        return pack.add(text, saved)
    return _unchanged(text, saved, here) or [
        pack.add_piece(Piece(part, tracked=True)) for part in by_content([text])
    ]


def _unchanged(
    text: bytes, saved: Sequence[Saved], here: Callable[[Chunk], Chunk | None]
) -> list[Piece] | None:
    """Give the pieces of a text of which each is as it was saved last, and still there."""
    if sum(last.chunk.length for last in saved) != len(text):
        return None
    view = memoryview(text)
    pieces = []
    for last in saved:
        piece = Piece(view[: last.chunk.length], last, tracked=True)
        view = view[last.chunk.length :]
        piece.chunk = here(last.chunk)
        if piece.chunk is None or not piece.compare():
            return None
        piece.data = b""
        pieces.append(piece)
    return pieces
