"""A stream that is what it was is compared with what was saved of it, and cut anew only where it is not."""

from __future__ import annotations

from itertools import accumulate, chain
from typing import TYPE_CHECKING

from lattice_addons.checkpoint._boundaries import Cutter, longest
from lattice_addons.checkpoint._model import CHUNK
from lattice_addons.checkpoint._pieces import Piece

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from lattice_addons.checkpoint._model import Chunk
    from lattice_addons.checkpoint._pieces import Saved

__all__ = ["Follower"]


class Follower:
    """Makes pieces of a stream, which comes in whatever pieces; those that are not ``saved`` are added.

    They are those that the stream is cut into by its content, whatever was saved.
    """

    def __init__(
        self,
        add: Callable[[Piece], Piece],
        saved: Sequence[Saved] = (),
        here: Callable[[Chunk], Chunk | None] = lambda chunk: chunk,
    ) -> None:
        self._add = add
        self._here = here
        self._cutter = Cutter()
        *begins, self._size = accumulate((last.chunk.length for last in saved), initial=0)
        self._saved = dict(zip(begins, saved, strict=True))

    def all(self, parts: Iterable[bytes | memoryview]) -> list[Piece]:
        """Take a whole stream, and give its pieces."""
        return [*chain.from_iterable(map(self.feed, parts)), *self.end()]

    def feed(self, data: bytes | bytearray | memoryview) -> Iterator[Piece]:
        """Take the next bytes, and give the pieces that are known now."""
        with memoryview(data) as view:
            # However many come: what is kept of them is little.
            for at in range(0, len(view), CHUNK):
                self._cutter.rest += view[at : at + CHUNK]
                while (piece := self._next()) is not None:
                    yield piece

    def end(self) -> Iterator[Piece]:
        """Give the rest, behind which nothing comes."""
        same = self._ending()
        if same:
            yield from same
        else:
            yield from map(self._added, self._cutter.end())

    def _next(self) -> Piece | None:
        place = self._cutter.place
        last = self._saved.get(place)
        # Only a piece that would have been cut so whatever came behind it: of the end that is not known.
        if last is not None and place + longest(place) <= self._size:
            if len(self._cutter.rest) <= last.chunk.length:
                return None
            with memoryview(self._cutter.rest) as view:
                piece = self._same(last, view[: last.chunk.length])
            if piece is not None:
                self._cutter.drop(piece.length)
                return piece
            del self._saved[place]
        cut = self._cutter.cut()
        return self._added(cut) if cut else None

    def _ending(self) -> list[Piece]:
        """Give the pieces of the end, if it is the end that was saved."""
        pieces: list[Piece] = []
        with memoryview(self._cutter.rest) as view:
            at, left = self._cutter.place, len(view)
            if at + left != self._size:
                return []
            while left:
                last = self._saved.get(at)
                piece = last and self._same(last, view[-left:][: last.chunk.length])
                if not piece:
                    return []
                pieces.append(piece)
                at, left = at + piece.length, left - piece.length
        return pieces

    def _same(self, last: Saved, data: memoryview) -> Piece | None:
        """Give a piece, if it has the bytes that were saved, and they are still there."""
        piece = Piece(data, last, tracked=True)
        piece.chunk = self._here(last.chunk)
        same = piece.chunk is not None and piece.compare()
        piece.data = b""
        return piece if same else None

    def _added(self, cut: bytes) -> Piece:
        return self._add(Piece(cut, tracked=True))
