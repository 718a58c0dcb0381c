"""Manifests go first, then packs that nobody names; the newest good checkpoint never goes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from lattice_addons.checkpoint._commit import Packs
from lattice_addons.checkpoint._layout import manifest_key, pack_key, pack_name
from lattice_addons.checkpoint._read import read_chunk
from lattice_addons.errors import DamagedError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from lattice_addons.checkpoint._catalog import Catalog, Record
    from lattice_addons.checkpoint._in_flight import InFlight
    from lattice_addons.checkpoint._model import Checkpoint, Chunk
    from lattice_addons.settings import Settings
    from lattice_addons.storage import Store

__all__ = ["Retention", "kept"]

_log = logging.getLogger("lattice_addons.checkpoint")
_READ_BACK = 64 * 1024 * 1024
_HOUR, _DAY = len("2000-01-01T00"), len("2000-01-01")
# Packs are deleted together until they have so many bytes, or are so many.
_TOGETHER, _MANY = 64 * 1024 * 1024, 100


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
    """What may be deleted from one line; only its one writer does so.

    What takes time is done in steps: each says before it is taken how many bytes it will read or delete.
    """

    def __init__(self, store: Store, folder: str, catalog: Catalog) -> None:
        self._store = store
        self._folder = folder
        self._catalog = catalog

    def check_readable(self, checkpoint: Checkpoint, lost: Collection[str]) -> Iterator[int]:
        """See in steps that a checkpoint can be read: its packs are there, and what it added reads back.

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
                yield chunk.length
                read_chunk(self._store, self._folder, chunk, memoryview(bytearray(chunk.length)))

    def doomed(self, numbers: Collection[int], settings: Settings, protect: Collection[int]) -> set[int]:
        """Give the checkpoints that need not stay; damaged ones when all that stays is newer."""
        catalog = self._catalog
        records, unreadable = dict(catalog.records), set(catalog.unreadable)
        stay = kept(records, settings, protect)
        stay |= {number for number in unreadable if number > min(stay, default=0)}
        # What is protected stays though it cannot be read, or was to be deleted once.
        stay |= set(protect)
        # One whose format is newer is in neither, and stays. Those whose deletion failed are tried again.
        known = records.keys() | unreadable | catalog.doomed
        return {number for number in numbers if number in known and number not in stay}

    def unnamed(self, numbers: Collection[int]) -> list[str]:
        """Give the packs that none of the checkpoints of these numbers, which are all there are, names.

        Packs that were rewritten stay until the first checkpoint after that, which may name them.
        """
        catalog = self._catalog
        named = catalog.named()
        newest = max(list(catalog.records), default=0)
        present = filter(None, map(pack_name, self._store.list(f"{self._folder}packs/")))
        unnamed = [pack for pack in present if pack not in named and catalog.rewritten.get(pack, -1) < newest]
        # A manifest that cannot be read may name any pack but those that were written after it; and which
        # those are, only the process that wrote them knows for certain: clocks are set back.
        unknown = max((number for number in numbers if number not in catalog.records), default=0)
        if unknown:
            unnamed = [pack for pack in unnamed if catalog.written.get(pack, 0) > unknown]
        return unnamed

    def plan(self, numbers: Collection[int], doomed: Collection[int], in_flight: InFlight) -> None:
        """Let nothing refer any more to what is to be deleted; nobody may be committing meanwhile."""
        catalog = self._catalog
        catalog.keep_only(numbers)
        catalog.doom(doomed)
        unnamed = self.unnamed([number for number in numbers if number not in catalog.doomed])
        catalog.going.update(unnamed)
        # Asked for only now: who takes a snapshot says first what must stay, and then looks whether it goes.
        catalog.going.intersection_update(set(unnamed) - in_flight.packs())
        catalog.drop_packs(catalog.going)

    def delete_manifests(self) -> None:
        """Delete the checkpoints that nothing refers to any more."""
        if self._catalog.doomed:
            self._store.delete(
                [manifest_key(self._folder, number) for number in sorted(self._catalog.doomed)]
            )

    def delete_packs(self) -> Iterator[int]:
        """Delete in steps the packs that nothing refers to any more, the small ones first."""
        packs = Packs(self._store, self._folder)
        going = sorted(self._catalog.going, key=packs.size)
        while going:
            some = [going.pop(0)]
            size = packs.size(some[0])
            while going and len(some) < _MANY and size + packs.size(going[0]) <= _TOGETHER:
                some.append(going.pop(0))
                size += packs.size(some[-1])
            yield size
            self._store.delete([pack_key(self._folder, pack) for pack in some])
            self._catalog.going.difference_update(some)
            self._catalog.reclaimed += len(some)
            _log.debug("deleted %d packs of %s", len(some), self._folder)
