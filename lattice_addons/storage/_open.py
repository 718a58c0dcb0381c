"""The settings say which store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons._host import POSIX
from lattice_addons._only_on import only_where
from lattice_addons.storage._local import LocalStore
from lattice_addons.storage._memory import MemoryStore

if TYPE_CHECKING:
    from lattice_addons.settings import Settings
    from lattice_addons.storage._store import Store
    from lattice_addons.storage.spool import SpooledStore

__all__ = ["open_store"]


def open_store(settings: Settings, *, create: bool = True) -> Store:
    """Open the store of these settings; a reader's (``create=False``) must be there."""
    if settings.type == "local":
        return LocalStore(settings.root, create=create)
    if settings.type == "memory":
        return MemoryStore(settings.root)
    return _open_spooled(settings)


def _open_spooled(settings: Settings) -> SpooledStore:
    """Open a remote store with its spool: nothing is asked of it, and no uploader runs, before it is used."""
    only_where(POSIX, "a remote store", "process that sends on what programs leave when they end")
    from lattice_addons.storage.remote import RemoteStore
    from lattice_addons.storage.spool import Spool, SpooledStore
    from lattice_addons.storage.spool._poke import Uploader

    spool = Spool(settings.spool, settings.root, settings.options)
    remote = RemoteStore(settings.root, settings.options)
    uploader = Uploader(
        spool,
        settings.options,
        grace=settings.grace,
        linger=settings.linger,
        limit=settings.spool_limit,
        url=settings.root,
    )
    return SpooledStore(spool, remote, uploader, offline=settings.offline == "allow")
