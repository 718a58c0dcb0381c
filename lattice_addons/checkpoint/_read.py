"""Each chunk is checked against its digest when it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blake3 import blake3

from lattice_addons.checkpoint._layout import pack_key
from lattice_addons.errors import DamagedError, NotInStoreError

if TYPE_CHECKING:
    from lattice_addons.checkpoint._model import Chunk
    from lattice_addons.storage import Store

__all__ = ["digest_of", "read_buffer", "read_chunk"]


def digest_of(data: bytes | bytearray | memoryview) -> str:
    """Give the digest that names a chunk."""
    return blake3(data).hexdigest()


def read_buffer(store: Store, folder: str, chunks: tuple[Chunk, ...]) -> bytearray:
    """Give the bytes of a buffer, each chunk checked."""
    # What a manifest says is held against the packs before memory is taken for it.
    for pack in {chunk.pack for chunk in chunks}:
        _check_extent(store, pack_key(folder, pack), [chunk for chunk in chunks if chunk.pack == pack])
    buffer = bytearray(sum(chunk.length for chunk in chunks))
    view = memoryview(buffer)
    at = 0
    for chunk in chunks:
        read_chunk(store, folder, chunk, view[at : at + chunk.length])
        at += chunk.length
    return buffer


def read_chunk(store: Store, folder: str, chunk: Chunk, target: memoryview) -> None:
    """Fill the target with a chunk's bytes, which must have its digest."""
    key = pack_key(folder, chunk.pack)
    try:
        store.read_into(key, chunk.offset, target)
    except NotInStoreError:
        raise _gone(store, key, chunk) from None
    except DamagedError as error:
        error.chunk = chunk  # type: ignore[attr-defined]  # a fact of the case, as those given as keywords
        raise
    if digest_of(target) != chunk.digest:
        message = (
            f"the pack {key} in {store.url} is damaged: its {chunk.length} bytes at {chunk.offset} "
            "are not those that were written. `lattice verify` shows what is still good."
        )
        raise DamagedError(message, key=key, chunk=chunk)


def _check_extent(store: Store, key: str, chunks: list[Chunk]) -> None:
    last = max(chunks, key=lambda chunk: chunk.offset + chunk.length)
    end = last.offset + last.length
    try:
        size = store.size(key)
    except NotInStoreError:
        raise _gone(store, key, last) from None
    if end > size:
        message = (
            f"the pack {key} in {store.url} is damaged: it was cut off at byte {size}, "
            f"and should have bytes up to {end}. `lattice verify` shows what is still good."
        )
        raise DamagedError(message, key=key, chunk=last)


def _gone(store: Store, key: str, chunk: Chunk) -> DamagedError:
    message = f"the pack {key} is missing from {store.url}. `lattice verify` shows what is still good."
    return DamagedError(message, key=key, chunk=chunk)
