"""What will be read is asked for ahead: a store on the other side of a network fetches it in parallel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons.checkpoint._layout import pack_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lattice_addons.checkpoint._model import Chunk
    from lattice_addons.storage import Store

__all__ = ["Ahead", "ahead"]

# So much is asked for at once: the store need not have room for more than that.
_WINDOW = 256 * 1024 * 1024


class Ahead:
    """Chunks in the order in which they will be read, each asked for some time before."""

    def __init__(self, store: Store, folder: str, chunks: Sequence[Chunk]) -> None:
        self._store = store
        self._folder = folder
        self._chunks = chunks
        self._asked = 0
        self._used = 0

    def use(self, count: int = 1) -> None:
        """Have the next so many chunks at hand; they are read now."""
        self._used += count
        while self._asked < min(self._used, len(self._chunks)):
            begin, size = self._asked, 0
            while self._asked < len(self._chunks) and size < _WINDOW:
                size += self._chunks[self._asked].extent
                self._asked += 1
            window = self._chunks[begin : self._asked]
            self._store.prefetch(
                (pack_key(self._folder, chunk.pack), chunk.offset, chunk.offset + chunk.extent)
                for chunk in window
            )


def ahead(store: Store, folder: str, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """Give the same chunks, in the same order."""
    sequence = list(chunks)
    asked = Ahead(store, folder, sequence)
    for chunk in sequence:
        asked.use()
        yield chunk
