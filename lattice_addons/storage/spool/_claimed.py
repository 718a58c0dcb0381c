"""Who changes a job beside its programs, as the service does, has the claim on it for that time."""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from lattice_addons._owner import Owner
from lattice_addons.errors import StoreError
from lattice_addons.storage.spool._claim import CLAIMS, RENEWAL, give_back, renew, take

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lattice_addons.storage._store import Store
    from lattice_addons.storage.spool._claim import Claim

__all__ = ["claimed"]


@contextmanager
def claimed(store: Store, folder: str) -> Iterator[None]:
    """Have the claim on a rank's folder in a block, where the programs that write there have claims.

    A store that takes them by itself is left to it; and where there never was one, the lease is all there is.

    Raises:
        LeaseHeldError: another machine writes there.
    """
    if store.shared is not store or CLAIMS.removesuffix("/") not in store.folders(folder):
        yield
        return
    claim, _ = take(store, folder, store.list(f"{folder}{CLAIMS}"), Owner.current())
    ended = threading.Event()
    beating = threading.Thread(target=_beat, args=(store, folder, claim, ended), daemon=True)
    beating.start()
    try:
        yield
    finally:
        ended.set()
        beating.join()
        with suppress(StoreError):
            give_back(store, folder, claim)


def _beat(store: Store, folder: str, claim: Claim, ended: threading.Event) -> None:
    """Show that the claim is alive while something takes long."""
    while not ended.wait(RENEWAL):
        with suppress(StoreError):
            renew(store, folder, claim)
