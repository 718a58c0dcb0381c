"""What lives in packs that are mostly dead is copied to a new pack, so that they can go."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from lattice_addons.checkpoint._commit import Packs
from lattice_addons.checkpoint._layout import pack_key
from lattice_addons.checkpoint._read import read_chunk
from lattice_addons.errors import CheckpointError
from lattice_addons.storage import ulid

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from threading import Lock

    from lattice_addons.checkpoint._catalog import Catalog
    from lattice_addons.checkpoint._cipher import Cipher
    from lattice_addons.checkpoint._model import Chunk
    from lattice_addons.storage import Store, Writer

__all__ = ["Rewriting"]

_log = logging.getLogger("lattice_addons.checkpoint")
_AT_ONCE = 64 * 1024 * 1024
# A pack that has less than so much dead stays as it is; so many packs that are smaller than so much become one.
_DEAD = 256 * 1024
_SMALL, _MANY = 1024 * 1024, 64
_PAGE = 4096


class Rewriting:
    """The next piece of rewriting of one line: at most 64 MiB, of what the newest checkpoint names.

    Packs never change: the chunks are copied, read back, and from then on found in the new pack. Until a
    checkpoint names it, the new pack is one more copy that a crash leaves behind, to be swept at the next start.
    """

    def __init__(self, store: Store, folder: str, catalog: Catalog, cipher: Cipher | None = None) -> None:
        self._store = store
        self._folder = folder
        self._catalog = catalog
        self._cipher = cipher
        self._packs = Packs(store, folder, catalog.going)

    def moves(self) -> list[Chunk]:
        """Give the chunks that are to be moved now, in the order in which they lie."""
        record = self._catalog.records.get(max(list(self._catalog.records), default=0))
        if record is None:
            return []
        # What was moved already is named by that checkpoint all the same; and equal bytes are moved once.
        live = {chunk.digest: chunk for chunk in record.chunks if self._catalog.where(chunk) == chunk}
        sparse = self._sparse({chunk.pack for chunk in live.values()})
        if self._cipher is not None:
            # What was stored before there was a key is moved, too: it is encrypted on the way.
            sparse |= {chunk.pack for chunk in live.values() if not chunk.lock}
        moves = [chunk for chunk in live.values() if chunk.pack in sparse and self._packs.hold(chunk)]
        return list(_first(sorted(moves, key=lambda chunk: (chunk.pack, chunk.offset))))

    def _sparse(self, packs: set[str]) -> set[str]:
        named = self._catalog.named()
        sizes = {pack: self._packs.size(pack) for pack in packs}
        sparse = {
            pack
            for pack, size in sizes.items()
            if size > 2 * named.get(pack, 0) and size - named.get(pack, 0) > _DEAD
        }
        small = {pack for pack, size in sizes.items() if size < _SMALL}
        return sparse | (small if len(small) > _MANY else set())

    def copy(self, moves: Iterable[Chunk], settling: Lock) -> Iterator[int]:
        """Copy chunks to a new pack, in steps; a pack that is not finished is not there.

        Commits hold ``settling``: the next one after that finds all of them in the new pack.
        What turns out to be damaged is not copied: it stays what it is, for who reads it to find.
        """
        name = ulid()
        copies: dict[Chunk, Chunk] = {}
        with self._store.create(pack_key(self._folder, name)) as writer:
            for chunk in moves:
                yield chunk.extent
                self._copy(chunk, name, writer, copies)
        yield from self._check(copies)
        if copies:
            with settling:
                self._catalog.move(name, copies)
            _log.debug("moved %d chunks of %s to pack %s", len(copies), self._folder, name)
        else:
            self._store.delete([pack_key(self._folder, name)])

    def _copy(self, chunk: Chunk, name: str, writer: Writer, copies: dict[Chunk, Chunk]) -> None:
        key = pack_key(self._folder, chunk.pack)
        data = self._store.read(key, chunk.offset, chunk.offset + chunk.extent)
        if len(data) != chunk.extent:
            return
        # What can be mapped in the old pack can be in the new one.
        start = writer.position
        if chunk.offset % _PAGE == 0 and chunk.extent >= _PAGE:
            start = -(-start // _PAGE) * _PAGE
        lock = chunk.lock
        if self._cipher is not None and not lock:
            data, lock = self._cipher.lock(data)
        writer.write_at(data, start)
        copies[chunk] = replace(chunk, pack=name, offset=start, lock=lock)

    def _check(self, copies: dict[Chunk, Chunk]) -> Iterator[int]:
        """Keep of the copies those that read back."""
        for old, new in list(copies.items()):
            yield new.extent
            try:
                read_chunk(self._store, self._folder, new, memoryview(bytearray(new.length)))
            except CheckpointError:
                self._catalog.drop(old)
                del copies[old]


def _first(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """Give chunks up to what is moved at once, but at least one."""
    size = 0
    for chunk in chunks:
        size += chunk.extent
        if size > _AT_ONCE and size > chunk.extent:
            return
        yield chunk
