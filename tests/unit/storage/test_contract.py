"""Both stores keep to the contract of every store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons.storage import LocalStore, MemoryStore
from lattice_addons.storage._process import memory
from lattice_addons.testing import StoreContract

if TYPE_CHECKING:
    from pathlib import Path

    from lattice_addons.storage import Store


class TestLocalStore(StoreContract):
    """A folder."""

    def make_store(self, folder: Path) -> Store:
        """Make a store beside what else the test has."""
        return LocalStore(folder / "store")

    def plant(self, store: Store, key: str, data: bytes) -> None:
        """Write a file."""
        assert isinstance(store, LocalStore)
        path = _path(store, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def stored(self, store: Store, key: str) -> bytes | None:
        """Read a file."""
        path = _path(store, key)
        return path.read_bytes() if path.exists() else None


class TestMemoryStore(StoreContract):
    """The process's memory."""

    def make_store(self, folder: Path) -> Store:
        """Make a store that no other test has."""
        return MemoryStore(str(folder))

    def plant(self, store: Store, key: str, data: bytes) -> None:
        """Put bytes into the dict."""
        memory(store.url.removeprefix("memory://"))[key] = (data,)

    def stored(self, store: Store, key: str) -> bytes | None:
        """Take bytes out of the dict."""
        return memory(store.url.removeprefix("memory://")).get(key, (None,))[0]


def _path(store: Store, key: str) -> Path:
    from pathlib import Path

    return Path(store.url) / key
