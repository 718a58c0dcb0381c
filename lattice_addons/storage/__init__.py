"""Where checkpoints are: keys to bytes, in a durable local folder or in memory."""

from __future__ import annotations

from lattice_addons.storage._held import Held
from lattice_addons.storage._keys import split_key, ulid
from lattice_addons.storage._local import LocalStore
from lattice_addons.storage._memory import MemoryStore
from lattice_addons.storage._open import open_store
from lattice_addons.storage._reader import Reader
from lattice_addons.storage._store import Store, Writer

__all__ = [
    "Held",
    "LocalStore",
    "MemoryStore",
    "Reader",
    "Store",
    "Writer",
    "open_store",
    "split_key",
    "ulid",
]
