"""Ranges fetched from a remote store lie in files, each with a check sum: a damaged one is fetched again."""

from __future__ import annotations

import os
import threading
from bisect import bisect_right, insort
from collections import OrderedDict
from contextlib import suppress
from hashlib import blake2s
from typing import TYPE_CHECKING, NamedTuple

from xxhash import xxh3_64_digest

from lattice_addons._system import O_CLOEXEC
from lattice_addons.storage._keys import split_key, temporary_name

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Cache"]

_SUM = len(xxh3_64_digest(b""))
# What was read last is kept in memory: the pieces of one range are mostly read one after another.
_LOADED = 32 << 20
# Of ranges that overlap, how many are looked at.
_OVERLAPS = 8


class _Range(NamedTuple):
    start: int
    stop: int
    name: str


class Cache:
    """Ranges of keys in a folder; any process may add some, and delete any file at any time.

    ``tag`` tells one version of a key from another: ranges of others are not found.
    """

    def __init__(self, top: str) -> None:
        self.top = top
        self._ranges: dict[str, list[_Range]] = {}
        self._loaded: OrderedDict[str, bytes] = OrderedDict()
        self._loaded_bytes = 0
        self._lock = threading.Lock()

    def read_into(self, key: str, tag: str, start: int, buffer: memoryview) -> int:
        """Fill a buffer from its beginning, as far as there is something; give how far that is."""
        done = 0
        while done < buffer.nbytes:
            found = self._covering(key, tag, start + done)
            data = self._load(key, found) if found is not None else None
            if found is None or data is None:
                break
            piece = memoryview(data)[start + done - found.start : start + buffer.nbytes - found.start]
            buffer[done : done + len(piece)] = piece
            done += len(piece)
        return done

    def missing(self, key: str, tag: str, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """Give the parts of a range that are not here."""
        at = start
        while at < stop:
            found = self._covering(key, tag, at)
            if found is not None:
                at = found.stop
                continue
            end = min((one.start for one in self._known(key, tag) if one.start > at), default=stop)
            yield at, min(end, stop)
            at = end

    def add(self, key: str, tag: str, start: int, data: bytes) -> bool:
        """Keep a range; say whether that could be done: without it, it is fetched again."""
        folder = self._folder(key)
        name = f"{start:x}-{start + len(data):x}-{_short(tag)}"
        temporary = os.path.join(folder, temporary_name())
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | O_CLOEXEC, 0o600)
            try:
                # What a full disk, or a power cut, leaves has another check sum: nothing is synchronised.
                with open(descriptor, "wb") as file:
                    file.write(data)
                    file.write(xxh3_64_digest(data))
                os.rename(temporary, os.path.join(folder, name))
            except BaseException:
                with suppress(OSError):
                    os.unlink(temporary)
                raise
        except OSError:
            return False
        self._known(key, tag)
        with self._lock:
            ranges = self._ranges.setdefault(key, [])
            new = _Range(start, start + len(data), name)
            if new not in ranges:
                insort(ranges, new)
            self._unload(os.path.join(folder, name))
        return True

    def drop(self, key: str) -> bool:
        """Forget a key; say whether there was something."""
        folder = self._folder(key)
        try:
            names = os.listdir(folder)
        except OSError:
            names = []
        for name in names:
            with suppress(OSError):
                os.unlink(os.path.join(folder, name))
        with suppress(OSError):
            os.rmdir(folder)
        with self._lock:
            self._ranges.pop(key, None)
            for name in names:
                self._unload(os.path.join(folder, name))
        return bool(names)

    def _folder(self, key: str) -> str:
        return os.path.join(self.top, *split_key(key))

    def _known(self, key: str, tag: str) -> list[_Range]:
        """Give the ranges of a key that are here, in order."""
        ranges = self._ranges.get(key)
        if ranges is None:
            try:
                names = os.listdir(self._folder(key))
            except OSError:
                names = []
            ranges = sorted(one for one in map(_parsed, names) if one is not None)
            with self._lock:
                ranges = self._ranges.setdefault(key, ranges)
        end = "-" + _short(tag)
        return [one for one in list(ranges) if one.name.endswith(end)]

    def _covering(self, key: str, tag: str, at: int) -> _Range | None:
        """Give a range with the byte at this place; of several, the one that goes farthest."""
        ranges = self._known(key, tag)
        end = bisect_right(ranges, at, key=lambda one: one.start)
        near = [one for one in ranges[max(end - _OVERLAPS, 0) : end] if one.stop > at]
        return max(near, key=lambda one: one.stop, default=None)

    def _load(self, key: str, found: _Range) -> bytes | None:
        """Give the bytes of a range; None, and it is forgotten, when they are gone or damaged."""
        path = os.path.join(self._folder(key), found.name)
        with self._lock:
            if path in self._loaded:
                self._loaded.move_to_end(path)
                return self._loaded[path]
        try:
            with open(path, "rb", buffering=0) as file:
                data = file.read()
                # Those that were not used for the longest time go first.
                os.utime(file.fileno())
        except OSError:
            data = b""
        whole = data[:-_SUM]
        if len(whole) != found.stop - found.start or xxh3_64_digest(whole) != data[-_SUM:]:
            with suppress(OSError):
                os.unlink(path)
            with self._lock, suppress(ValueError, KeyError):
                self._ranges[key].remove(found)
            return None
        with self._lock:
            self._unload(path)  # another thread may have been faster
            self._loaded[path] = whole
            # Counted, and not added up each time: of manifests there may be thousands.
            self._loaded_bytes += len(whole)
            while self._loaded_bytes > _LOADED and len(self._loaded) > 1:
                self._unload(next(iter(self._loaded)))
        return whole

    def _unload(self, path: str) -> None:
        """Forget the bytes of a range that are in memory, if they are; the lock is held."""
        self._loaded_bytes -= len(self._loaded.pop(path, b""))


def _short(tag: str) -> str:
    return blake2s(tag.encode(), digest_size=4).hexdigest()


def _parsed(name: str) -> _Range | None:
    """Read what a file's name says; None for another file."""
    try:
        start, stop, _ = name.split("-")
        return _Range(int(start, 16), int(stop, 16), name)
    except ValueError:
        return None
