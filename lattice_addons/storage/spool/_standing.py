"""How far a key of the spool is on its way."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import orjson

from lattice_addons._owner import Owner
from lattice_addons.storage.spool._there import folder_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lattice_addons.storage.spool._spool import Spool
    from lattice_addons.storage.spool._there import There

__all__ = ["standing"]


def standing(spool: Spool, there: There, keys: Iterable[str]) -> dict[str, str]:
    """Say of keys whether they are ``remote``, ``local``, or ``uploading``: the uploader is at what they need."""
    working = _working(spool)
    found: dict[str, str] = {}
    for key in keys:
        if there.place(key) is not None:
            found[key] = "remote"
        else:
            # A pack goes before the manifest that names it.
            found[key] = "uploading" if working and folder_of(working) == folder_of(key) else "local"
    return found


def _working(spool: Spool) -> str:
    """Give the key that the uploader is at; nothing when there is none, or no uploader."""
    try:
        with open(os.path.join(spool.home, "uploader.json"), "rb") as file:
            told: Any = orjson.loads(file.read())
        lives = Owner.from_dict(told).alive()
    except (OSError, ValueError, TypeError, AttributeError):
        return ""
    working = told.get("working")
    return working if lives is not False and isinstance(working, str) else ""
