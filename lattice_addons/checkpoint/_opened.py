"""Of the packs that a read needs, one at a time is open."""

from __future__ import annotations

from contextlib import ExitStack
from itertools import pairwise
from typing import TYPE_CHECKING

from lattice_addons.checkpoint._layout import pack_key
from lattice_addons.errors import DamagedError, NotInStoreError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from typing_extensions import Self

    from lattice_addons.checkpoint._model import Chunk
    from lattice_addons.storage import Reader, Store

__all__ = ["OpenPacks", "altered", "cut_off", "gone", "of_slot", "only_listed"]

# Smaller buffers are not laid out for it.
_MAPPED = 64 * 1024


class OpenPacks:
    """The packs of one rank, opened one after another; ``direct`` prefers the disk to the system's cache."""

    def __init__(self, store: Store, folder: str, *, direct: bool = False) -> None:
        self.reader: Reader
        self._store = store
        self._folder = folder
        self._direct = direct
        self._name: str | None = None
        self._open = ExitStack()

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close the pack that is open."""
        self._open.close()

    def open(self, chunk: Chunk) -> Reader:
        """Have the pack of a chunk open, in the place of the one before."""
        if chunk.pack != self._name:
            self._name = None
            self._open.close()
            key = pack_key(self._folder, chunk.pack)
            try:
                self.reader = self._open.enter_context(self._store.reading(key, direct=self._direct))
            except NotInStoreError:
                raise gone(self._store, key, chunk) from None
            self._name = chunk.pack
        return self.reader

    def check(self, chunks: Collection[Chunk]) -> None:
        """See that the packs are there and long enough; the one of the first chunk is left open."""
        last: dict[str, Chunk] = {}
        for chunk in chunks:
            known = last.setdefault(chunk.pack, chunk)
            if chunk.offset + chunk.extent > known.offset + known.extent:
                last[chunk.pack] = chunk
        for chunk in reversed(last.values()):
            if self.open(chunk).size < chunk.offset + chunk.extent:
                raise cut_off(self._store, pack_key(self._folder, chunk.pack), chunk, self.reader.size)

    def map(self, chunks: Sequence[Chunk]) -> memoryview | None:
        """Give the pages in which a buffer lies as it is, of one's own to change; None where it does not."""
        size = sum(chunk.length for chunk in chunks)
        if size < _MAPPED or any(chunk.stored or chunk.lock for chunk in chunks):
            return None
        for one, next_one in pairwise(chunks):
            if next_one.pack != one.pack or next_one.offset != one.offset + one.length:
                return None
        return self.open(chunks[0]).map(chunks[0].offset, size)


def gone(store: Store, key: str, chunk: Chunk) -> DamagedError:
    """Make the error for a pack that is not there."""
    message = f"the pack {key} is missing from {store.url}. `lattice verify` shows what is still good."
    return DamagedError(message, key=key, chunk=chunk)


def cut_off(store: Store, key: str, chunk: Chunk, size: int) -> DamagedError:
    """Make the error for a pack that is too short."""
    message = (
        f"the pack {key} in {store.url} is damaged: it was cut off at byte {size}, and should have bytes "
        f"up to {chunk.offset + chunk.extent}. `lattice verify` shows what is still good."
    )
    return DamagedError(message, key=key, chunk=chunk)


def altered(store: Store, key: str, chunk: Chunk) -> DamagedError:
    """Make the error for bytes that are there and are others."""
    message = (
        f"the pack {key} in {store.url} is damaged: its {chunk.extent} bytes at {chunk.offset} "
        "are not those that were written. `lattice verify` shows what is still good."
    )
    return DamagedError(message, key=key, chunk=chunk)


def of_slot(error: DamagedError, slot: str) -> DamagedError:
    """Make the error for the slot that needs such bytes."""
    damage = DamagedError(f"slot {slot!r}: {error}", key=error.key, slot=slot)
    damage.__cause__ = error
    return damage


def only_listed(store: Store, folder: str) -> DamagedError:
    """Make the error for checkpoints of which a listing tells, and that are not there."""
    key = f"{folder}checkpoints/"
    message = (
        f"{key} in {store.url} lists checkpoints, and each was gone when it was read, time and again: something "
        "deletes them, or the listing is old. When that is over, try again; `lattice verify` shows what is there."
    )
    return DamagedError(message, key=key)
