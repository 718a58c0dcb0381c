"""A store somewhere else: any URL that fsspec opens, with a deadline for every call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons._doors import later
from lattice_addons.storage._listed import Listed
from lattice_addons.storage.remote._options import without_secrets
from lattice_addons.storage.remote._remote import RemoteStore
from lattice_addons.storage.remote._waiting import waiting

if TYPE_CHECKING:
    from lattice_addons.storage.remote._file_system import LatticeFileSystem

__all__ = ["LatticeFileSystem", "Listed", "RemoteStore", "waiting", "without_secrets"]

later(globals(), {"LatticeFileSystem": "_file_system"})
