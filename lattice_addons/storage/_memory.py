"""A store in this process's memory, one for each name."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from lattice_addons.storage._faults import already_there, ends_early, not_there
from lattice_addons.storage._keys import split_key
from lattice_addons.storage._listed import Listed
from lattice_addons.storage._process import memory
from lattice_addons.storage._store import Store

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lattice_addons.storage._store import Bytes, Keys, Writer

__all__ = ["MemoryStore"]


class MemoryStore(Store):
    """Bytes under keys, gone with the process; the same name is the same store.

    It needs no lock: each step is one operation of a dict, whole for every thread and in a forked child.
    """

    def __init__(self, name: str = "") -> None:
        self.url: str = f"memory://{name}"
        self._data = memory(name)

    def __repr__(self) -> str:
        """Show how to make it again."""
        return f"MemoryStore({self.url.removeprefix('memory://')!r})"

    def read(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """Give the bytes of a key, or those in a range of it."""
        data = self._find(key)
        if start < 0 or start > len(data):
            raise ends_early(self.url, key, len(data), start)
        return data[start : None if stop is None else max(stop, start)]

    def size(self, key: str) -> int:
        """Give the number of bytes of a key."""
        return len(self._find(key))

    def facts(self, key: str) -> Listed:
        """Give the number of bytes of a key, and their digest."""
        import xxhash

        data = self._find(key)
        return Listed(len(data), xxhash.xxh3_128_hexdigest(data), None)

    def list(self, prefix: str = "") -> Keys:
        """Give every key below a folder, sorted."""
        parts = split_key(prefix, folder=True)
        start = "".join(part + "/" for part in parts)
        return sorted(key for key in tuple(self._data) if key.startswith(start))

    def put(self, key: str, data: Bytes) -> None:
        """Store a new key, never over an old one."""
        split_key(key)
        # A fresh tuple, so that "it is mine" can be told from "it was there" in the dict's one step.
        mine = (bytes(data),)
        if self._data.setdefault(key, mine) is not mine:
            raise already_there(self.url, key)

    def replace(self, key: str, data: Bytes) -> None:
        """Store a key in the place of the old one."""
        split_key(key)
        self._data[key] = (bytes(data),)

    @contextmanager
    def create(self, key: str) -> Iterator[Writer]:
        """Write a new key piece by piece."""
        with self.stage(key) as writer:
            yield writer

    def delete(self, keys: Iterable[str]) -> None:
        """Remove keys."""
        for key in keys:
            split_key(key)
            self._data.pop(key, None)

    def _find(self, key: str) -> bytes:
        split_key(key)
        try:
            return self._data[key][0]
        except KeyError:
            raise not_there(self.url, key) from None
