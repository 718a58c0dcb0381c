"""A store somewhere else: any URL that fsspec opens, with a deadline for every call."""

from __future__ import annotations

from lattice_addons.storage.remote._files import Listed
from lattice_addons.storage.remote._options import without_secrets
from lattice_addons.storage.remote._remote import RemoteStore

__all__ = ["Listed", "RemoteStore", "without_secrets"]
