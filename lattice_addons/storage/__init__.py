"""Where checkpoints are: keys to bytes, in a durable local folder, in memory, or elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons.storage._held import Held
from lattice_addons.storage._keys import split_key, ulid
from lattice_addons.storage._local import LocalStore
from lattice_addons.storage._memory import MemoryStore
from lattice_addons.storage._open import open_store
from lattice_addons.storage._reader import Reader
from lattice_addons.storage._store import Store, Writer

if TYPE_CHECKING:
    from lattice_addons.storage.remote import RemoteStore
    from lattice_addons.storage.spool import Aside, NotUp, Spool, SpooledStore, spools, upload

__all__ = [
    "Aside",
    "Held",
    "LocalStore",
    "MemoryStore",
    "NotUp",
    "Reader",
    "RemoteStore",
    "Spool",
    "SpooledStore",
    "Store",
    "Writer",
    "open_store",
    "split_key",
    "spools",
    "ulid",
    "upload",
]

# A program with a local store need not wait for these to be imported.
_LATER = {
    "Aside": "spool",
    "NotUp": "spool",
    "RemoteStore": "remote",
    "Spool": "spool",
    "SpooledStore": "spool",
    "spools": "spool",
    "upload": "spool",
}


def __getattr__(name: str) -> object:
    """Import one of these when it is first used."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Show the public names, also those that are not imported yet."""
    return sorted({*globals(), *__all__})
