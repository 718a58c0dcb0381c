"""What will be read is asked for ahead: a store on the other side of a network fetches it in parallel."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from lattice_addons.checkpoint._layout import manifest_key, pack_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lattice_addons.checkpoint._model import Chunk
    from lattice_addons.storage import Store

__all__ = ["END", "Ahead", "manifests_ahead"]

# So much is asked for at once: the store need not have room for more than that.
_WINDOW = 256 * 1024 * 1024
# So many manifests are asked for at once, which takes hardly longer than one; twice as many each time that more are
# wanted, up to so many: who looks for one need not wait for all.
_FEW, _MANY = 8, 128
#: The end of a range that has all of a key: a store ends it where the key does.
END: Final = 2**63 - 1


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

    def each(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """Give the next chunks, which are these, each when it is at hand."""
        for chunk in chunks:
            self.use()
            yield chunk


def manifests_ahead(store: Store, folder: str, numbers: Iterable[int]) -> Iterator[int]:
    """Give the same numbers, in the same order, each when its manifest is at hand or cannot be had."""
    many = _FEW
    coming = iter(numbers)
    for number in coming:
        window = [number]
        # Not what can be read here: who needs no more than that must not wait for a network.
        if not store.at_hand(manifest_key(folder, number)):
            window += islice(coming, many - 1)
            store.prefetch((manifest_key(folder, each), 0, END) for each in window)
            many = min(2 * many, _MANY)
        yield from window
