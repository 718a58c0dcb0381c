"""Manifests go first, then packs that nobody names; the newest good checkpoint never goes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from lattice_addons.checkpoint._commit import Packs
from lattice_addons.checkpoint._layout import manifest_key, pack_key, pack_name
from lattice_addons.checkpoint._read import read_chunk
from lattice_addons.errors import DamagedError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from lattice_addons.checkpoint._catalog import Catalog, Record
    from lattice_addons.checkpoint._model import Checkpoint, Chunk
    from lattice_addons.settings import Settings
    from lattice_addons.storage import Store

__all__ = ["Retention", "kept"]

_log = logging.getLogger("lattice_addons.checkpoint")
_READ_BACK = 64 * 1024 * 1024
_DEAD = 256 * 1024
_HOUR, _DAY = len("2000-01-01T00"), len("2000-01-01")


def kept(records: Mapping[int, Record], settings: Settings, protect: Collection[int] = ()) -> set[int]:
    """Give the numbers of the checkpoints that stay.

    They are the newest ``keep``, the last of each of the newest ``keep_hourly`` hours and ``keep_daily``
    days that have one, and what is protected. Newest means the largest number: clocks are set back.
    """
    numbers = sorted(records, reverse=True)
    stay = {*numbers[: max(settings.keep, 1)], *(number for number in protect if number in records)}
    for count, length in ((settings.keep_hourly, _HOUR), (settings.keep_daily, _DAY)):
        seen: set[str] = set()
        for number in numbers:
            period = records[number].created[:length]
            if period not in seen and len(seen) < count:
                seen.add(period)
                stay.add(number)
    return stay


class Retention:
    """What may be deleted from one line; only its one writer does so."""

    def __init__(self, store: Store, folder: str, catalog: Catalog) -> None:
        self._store = store
        self._folder = folder
        self._catalog = catalog

    def check_readable(self, checkpoint: Checkpoint, lost: Collection[str]) -> None:
        """See that a checkpoint can be read: its packs are there, and what it added reads back.

        ``lost`` are packs that were gone before it was written, which says nothing against it.
        """
        packs = Packs(self._store, self._folder)
        new: list[Chunk] = []
        for chunk in set(checkpoint.chunks()):
            if chunk.pack not in lost and not packs.hold(chunk):
                key = pack_key(self._folder, chunk.pack)
                message = f"the pack {key} is missing from {self._store.url}, or was cut off; it is needed"
                raise DamagedError(message, key=key, chunk=chunk)
            if self._catalog.written.get(chunk.pack) == checkpoint.number:
                new.append(chunk)
        if sum(chunk.length for chunk in new) <= _READ_BACK:
            for chunk in new:
                read_chunk(self._store, self._folder, chunk, memoryview(bytearray(chunk.length)))

    def doomed(self, numbers: Collection[int], settings: Settings, protect: Collection[int]) -> set[int]:
        """Give the checkpoints that need not stay; damaged ones when all that stays is newer."""
        catalog = self._catalog
        stay = kept(catalog.records, settings, protect)
        stay |= {number for number in catalog.unreadable if number > min(stay, default=0)}
        # One whose format is newer is in neither, and stays.
        known = catalog.records.keys() | catalog.unreadable
        return {number for number in numbers if number in known and number not in stay}

    def delete_manifests(self, numbers: Collection[int], gone: Collection[int]) -> None:
        """Delete the checkpoints that are gone from these numbers, which are all there are."""
        if gone:
            self._store.delete([manifest_key(self._folder, number) for number in gone])
            self._catalog.keep_only(number for number in numbers if number not in gone)

    def delete_packs(self, numbers: Collection[int]) -> None:
        """Delete the packs that none of the checkpoints of these numbers, which are all there are, names."""
        named = self._catalog.named()
        present = filter(None, map(pack_name, self._store.list(f"{self._folder}packs/")))
        unnamed = [pack for pack in present if pack not in named]
        # A manifest that cannot be read may name any pack but those that were written after it; and which
        # those are, only the process that wrote them knows for certain: clocks are set back.
        unknown = max((number for number in numbers if number not in self._catalog.records), default=0)
        if unknown:
            unnamed = [pack for pack in unnamed if self._catalog.written.get(pack, 0) > unknown]
        self._catalog.sparse = _sparse(Packs(self._store, self._folder), named)
        if unnamed:
            self._store.delete([pack_key(self._folder, pack) for pack in unnamed])
            self._catalog.drop_packs(unnamed)
            _log.debug("deleted %d packs of %s", len(unnamed), self._folder)


def _sparse(packs: Packs, named: Mapping[str, int]) -> frozenset[str]:
    """Give the packs that are mostly dead, by so much that moving what lives is worth it."""
    sizes = {pack: packs.size(pack) for pack in named}
    return frozenset(
        pack for pack, live in named.items() if sizes[pack] > 2 * live and sizes[pack] - live > _DEAD
    )
