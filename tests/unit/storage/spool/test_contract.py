"""A spooled store keeps to the contract of every store, wherever a key is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons.storage import RemoteStore, Spool, SpooledStore
from lattice_addons.storage.spool._there import folder_of
from lattice_addons.testing import StoreContract
from tests.unit.storage.spool.machines import Idle

if TYPE_CHECKING:
    from pathlib import Path

    from lattice_addons.storage import Store


class _Spooled(StoreContract):
    def make_store(self, folder: Path) -> Store:
        """Make a store with a folder on the other side."""
        (folder / "remote").mkdir(exist_ok=True)
        url = f"file://{folder}/remote"
        return SpooledStore(Spool(str(folder / "spool"), url), RemoteStore(url), Idle())  # type: ignore[arg-type]

    def stored(self, store: Store, key: str) -> bytes | None:
        """Read the spool's file, or the one on the other side, unless the uploader has been told to delete it."""
        assert isinstance(store, SpooledStore)
        doomed = [gone for keys in store.spool.gone(folder_of(key)).values() for gone in keys]
        for place in (store.spool.path(key), store.remote.url.removeprefix("file://") + "/" + key):
            try:
                with open(place, "rb") as file:
                    return file.read()
            except (FileNotFoundError, NotADirectoryError):
                if key in doomed:
                    return None
        return None


class TestHere(_Spooled):
    """Keys are in the spool."""

    def plant(self, store: Store, key: str, data: bytes) -> None:
        """Put a file into the spool."""
        assert isinstance(store, SpooledStore)
        store.spool.store.replace(key, data)


class TestThere(_Spooled):
    """Keys are on the other side, as those that another machine has sent."""

    def plant(self, store: Store, key: str, data: bytes) -> None:
        """Put a file there."""
        assert isinstance(store, SpooledStore)
        store.remote.replace(key, data)
        store._there.forget()
