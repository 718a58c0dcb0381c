"""Written here first, and sent on to a remote store by a process of its own."""

from __future__ import annotations

from lattice_addons.storage.spool._aside import Aside
from lattice_addons.storage.spool._claimed import claimed
from lattice_addons.storage.spool._foreground import NotUp, not_up, spools, upload
from lattice_addons.storage.spool._spool import Spool
from lattice_addons.storage.spool._spooled import SpooledStore

__all__ = ["Aside", "NotUp", "Spool", "SpooledStore", "claimed", "not_up", "spools", "upload"]
