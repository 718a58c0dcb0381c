"""What was saved on this machine and is not in the store elsewhere yet, and what went wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lattice_addons.errors import LatticeError

if TYPE_CHECKING:
    from lattice_addons.storage import Store

__all__ = ["Unsent", "unsent"]


class Unsent(NamedTuple):
    """What of one rank waits to be sent; ``error`` is why it was not, the last time that it was tried."""

    folder: str
    checkpoints: int
    bytes: int
    error: str


def unsent(store: Store, job: str) -> list[Unsent]:
    """Give what waits on this machine; nothing where the store is here, or where another machine has the spool."""
    if store.at_home:
        return []
    from lattice_addons.storage import SpooledStore, not_up

    if not isinstance(store, SpooledStore):
        return []
    try:
        return [
            Unsent(each.folder, each.checkpoints, each.bytes, each.error)
            for each in not_up(store.spool)
            if each.folder.startswith(f"{job}/")
        ]
    except (LatticeError, OSError):
        # It is being sent in this moment, and what was there is gone.
        return []
