"""The audit log of a store is at one place, whoever writes into it: the service, or a command about tokens."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lattice_addons import service
from lattice_addons.storage import LocalStore

if TYPE_CHECKING:
    from lattice_addons.service import Audit
    from lattice_addons.settings import Settings
    from lattice_addons.storage import Store


def audit_of(path: str | None, store: Store, settings: Settings) -> Audit | None:
    """Open the audit log: in the store, where that is a folder; else where this user's programs keep their state."""
    if path == "none":
        return None
    if path is None:
        folder = (
            os.path.join(store.root, ".service")
            if isinstance(store, LocalStore)
            else f"{settings.spool}-service"
        )
        path = os.path.join(folder, "audit.jsonl")
    return service.Audit(path)
