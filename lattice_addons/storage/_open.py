"""The settings say which store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons.errors import SettingsError
from lattice_addons.storage._local import LocalStore
from lattice_addons.storage._memory import MemoryStore

if TYPE_CHECKING:
    from lattice_addons.settings import Settings
    from lattice_addons.storage._store import Store

__all__ = ["open_store"]


def open_store(settings: Settings, *, create: bool = True) -> Store:
    """Open the store of these settings; a reader's (``create=False``) must be there."""
    if settings.type == "local":
        return LocalStore(settings.root, create=create)
    if settings.type == "memory":
        return MemoryStore(settings.root)
    message = (
        f"LATTICE_CHECKPOINT_TYPE={settings.type}: this version stores on `local` and `memory`; "
        "set one of them, and copy the folder where it must go"
    )
    raise SettingsError(message, variable="LATTICE_CHECKPOINT_TYPE", part=settings.type)
