"""The store that a service serves, opened where it is: what is acknowledged has arrived there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons.storage import LocalStore, MemoryStore, RemoteStore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lattice_addons.storage import Store

__all__ = ["open_root"]


def open_root(root: str, options: Mapping[str, str] | None = None) -> Store:
    """Open a folder, which is made if need be, or a URL; without a spool, for there is nobody who would wait."""
    kind, there, rest = root.partition("://")
    if not there:
        return LocalStore(root)
    if kind in ("file", "local"):
        return LocalStore(rest)
    if kind == "memory":
        return MemoryStore(rest)
    return RemoteStore(root, options)
