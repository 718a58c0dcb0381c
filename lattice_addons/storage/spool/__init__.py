"""Written here first, and sent on to a remote store by a process of its own."""

from __future__ import annotations

from lattice_addons.storage.spool._spool import Spool

__all__ = ["Spool"]
