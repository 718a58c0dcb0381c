"""What is only in the remote store is read by ranges, many at once, and through the cache."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from lattice_addons.errors import UnreachableError
from lattice_addons.storage._faults import ends_early, not_there
from lattice_addons.storage._listed import Listed
from lattice_addons.storage.remote import waiting

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lattice_addons.storage.remote import RemoteStore
    from lattice_addons.storage.spool._cache import Cache
    from lattice_addons.storage.spool._there import Place, There

    Range = tuple[str, int, int]

__all__ = ["Distant", "DistantReader"]

# The longest range that is asked for at once, and what lies so near to the next one that it comes along.
_PIECE, _GAP = 8 << 20, 256 << 10
# A read of something small brings so much, since small things that belong together lie side by side.
_LEAST = 256 << 10
# How many bytes on their way are in memory at a time, at most.
_AT_ONCE = 64 << 20
# For so long who was waited for in vain is not waited for again, in seconds.
_LATELY = 30.0


class Distant:
    """The keys that are there, to be read from; a range comes once. ``patient``: also a while after it was away."""

    def __init__(self, remote: RemoteStore, there: There, cache: Cache, *, patient: bool) -> None:
        self._remote = remote
        self._there = there
        self._cache = cache
        self._patient = patient
        self._in_vain = 0.0  # until when nobody waits
        self.url = remote.url

    def place(self, key: str) -> Place:
        """Give how long a key is there; `NotInStoreError` when it is not."""
        place = self._there.place(key)
        if place is None:
            raise not_there(self.url, key)
        return place

    def facts(self, key: str) -> Listed:
        """Give what the listing has said of a key; `NotInStoreError` when it is not there."""
        place = self.place(key)
        return Listed(place.size, place.tag, None)

    def read(self, key: str, start: int, stop: int | None) -> bytes:
        """Give the bytes of a range, fewer where they end before that."""
        place = self.place(key)
        if start < 0 or start > place.size:
            raise ends_early(self.url, key, place.size, start)
        end = place.size if stop is None else min(stop, place.size)
        data = bytearray(max(end - start, 0))
        self.read_into(key, start, memoryview(data))
        return bytes(data)

    def read_into(self, key: str, start: int, buffer: memoryview) -> None:
        """Fill a buffer with the bytes that begin at ``start``."""
        place = self.place(key)
        target = buffer.cast("B") if buffer.nbytes else buffer
        stop = start + target.nbytes
        if start < 0 or stop > place.size:
            raise ends_early(self.url, key, place.size, stop)
        tag = _version(key, place)
        done = self._cache.read_into(key, tag, start, target)
        while done < target.nbytes:
            begin = start + done
            end = min(max(stop, begin + _LEAST), begin + _PIECE, place.size)
            [data] = self._fetch([(key, begin, end)])
            if len(data) < min(end, stop) - begin:
                raise ends_early(self.url, key, begin + len(data), stop)
            piece = data[: target.nbytes - done]
            target[done : done + len(piece)] = piece
            done += len(piece)
            done += self._cache.read_into(key, tag, start + done, target[done:])

    def prefetch(self, ranges: Iterable[Range]) -> None:
        """Have ranges in the cache; what cannot be had is told when it is read."""
        batch: list[Range] = []
        size = 0
        for piece in self._pieces(ranges):
            batch.append(piece)
            size += piece[2] - piece[1]
            if size >= _AT_ONCE:
                self._fetch(batch, passing=True)
                batch, size = [], 0
        if batch:
            self._fetch(batch, passing=True)

    def at_hand(self, key: str) -> bool:
        """Say whether all of a key is in the cache."""
        place = self._there.place(key) if self._there.knows(key) else None
        if place is None:
            return False
        return not any(self._cache.missing(key, _version(key, place), 0, place.size))

    def _fetch(self, ranges: list[Range], *, passing: bool = False) -> Sequence[bytes]:
        self._there.see_that_it_may(ranges[0][0])
        try:
            with waiting(self._patient and time.monotonic() >= self._in_vain):
                fetched = self._remote.fetch(ranges, passing=passing)
        except UnreachableError:
            # What was to be fetched ahead is asked for again when it is read: that does not wait once more.
            self._in_vain = time.monotonic() + _LATELY
            raise
        self._in_vain = 0.0
        for (key, start, _), data in zip(ranges, fetched, strict=True):
            place = self._there.place(key)
            if place is not None and data:
                self._cache.add(key, _version(key, place), start, data)
        return fetched

    def _pieces(self, ranges: Iterable[Range]) -> Iterator[Range]:
        """Give what is to be asked for: what is not here, with what is near to it, in pieces."""
        wanted: dict[str, list[tuple[int, int]]] = {}
        for key, start, stop in ranges:
            wanted.setdefault(key, []).append((start, stop))
        for key, parts in wanted.items():
            place = self._there.place(key)
            if place is None:
                continue
            for start, stop in _joined(parts, place.size):
                for begin, end in self._cache.missing(key, _version(key, place), start, stop):
                    for at in range(begin, end, _PIECE):
                        yield key, at, min(at + _PIECE, end)


class DistantReader:
    """A key that is only in the remote store, open for reading."""

    def __init__(self, distant: Distant, key: str) -> None:
        self._distant = distant
        self._key = key
        self.facts = distant.facts(key)
        self.size = self.facts.size

    def read_into(self, start: int, buffer: memoryview) -> None:
        """Fill a buffer with the bytes that begin at ``start``."""
        self._distant.read_into(self._key, start, buffer)

    def read_pages(self, start: int, buffer: memoryview) -> int:
        """Fill a buffer with what there is from ``start`` on."""
        there = max(min(buffer.nbytes, self.size - start), 0)
        if there:
            self._distant.read_into(self._key, start, buffer[:there])
        return there

    def map(self, start: int, length: int) -> memoryview | None:  # noqa: ARG002 - as every reader's
        """Give None: there is no file."""
        return None


def _joined(parts: list[tuple[int, int]], size: int) -> Iterator[tuple[int, int]]:
    """Put ranges together that overlap, or have little between them."""
    begin = end = -1
    for start, stop in sorted(parts):
        if begin >= 0 and start <= end + _GAP:
            end = max(end, min(stop, size))
            continue
        if begin >= 0:
            yield begin, end
        begin, end = start, min(stop, size)
    if begin >= 0:
        yield begin, end


def _version(key: str, place: Place) -> str:
    """Give what tells one version of a key from another; a pack's name is given once."""
    return "" if key.endswith(".pack") else place.tag
