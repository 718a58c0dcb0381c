"""Where checkpoints are: keys to bytes, in a durable local folder, in memory, or elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons._doors import later
from lattice_addons.storage._held import Held
from lattice_addons.storage._keys import split_key, ulid
from lattice_addons.storage._listed import Listed
from lattice_addons.storage._local import LocalStore
from lattice_addons.storage._memory import MemoryStore
from lattice_addons.storage._open import open_store
from lattice_addons.storage._reader import Reader
from lattice_addons.storage._store import Store, Writer

if TYPE_CHECKING:
    from lattice_addons.storage.remote import LatticeFileSystem, RemoteStore, waiting
    from lattice_addons.storage.spool import (
        Aside,
        NotUp,
        Spool,
        SpooledStore,
        claimed,
        not_up,
        spools,
        upload,
    )

__all__ = [
    "Aside",
    "Held",
    "LatticeFileSystem",
    "Listed",
    "LocalStore",
    "MemoryStore",
    "NotUp",
    "Reader",
    "RemoteStore",
    "Spool",
    "SpooledStore",
    "Store",
    "Writer",
    "claimed",
    "not_up",
    "open_store",
    "split_key",
    "spools",
    "ulid",
    "upload",
    "waiting",
]

# A program with a local store need not wait for these to be imported.
_LATER = {
    "Aside": "spool",
    "LatticeFileSystem": "remote",
    "NotUp": "spool",
    "RemoteStore": "remote",
    "Spool": "spool",
    "SpooledStore": "spool",
    "claimed": "spool",
    "not_up": "spool",
    "spools": "spool",
    "upload": "spool",
    "waiting": "remote",
}

later(globals(), _LATER)
