"""The claims of a spool are kept alive while there is something to do, and then given back."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from lattice_addons.errors import StoreError
from lattice_addons.storage.spool._attend import hold
from lattice_addons.storage.spool._claim import RENEWAL, drop, is_over, keep

if TYPE_CHECKING:
    from collections.abc import Callable

    from lattice_addons.storage.remote import RemoteStore
    from lattice_addons.storage.spool._spool import Spool

__all__ = ["Holding"]


def _now() -> float:
    """Give the seconds since the machine was started, in which it was asleep as well: claims expire meanwhile."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Holding:
    """The claims of one spool, as the process holds them that sends."""

    def __init__(self, spool: Spool, remote: RemoteStore) -> None:
        self._spool = spool
        self._remote = remote
        # Of which session it is known, and since when, that the claim is ours.
        self._known: dict[str, tuple[object, float]] = {}
        # Of each folder by itself: who waits for one claim must not keep the others from being renewed.
        self._locks: dict[str, threading.Lock] = {}

    def session(self, folder: str) -> object:
        """Give what tells this claim from another one."""
        return (self._spool.claim(folder) or {}).get("session")

    def against(self, folder: str) -> str | None:
        """See that the claim is ours, now; say what is against it.

        Raises:
            LeaseHeldError: another machine writes there.
        """
        if self._is_fresh(folder):
            return None
        with self._lock(folder):
            why = hold(self._spool, self._remote, folder)
        if why is None:
            self._known[folder] = (self.session(folder), _now())
        return why

    def _is_fresh(self, folder: str) -> bool:
        claim = self._spool.claim(folder)
        if claim is None or claim.get("pending"):
            return False
        session, since = self._known.get(folder, (None, 0.0))
        if session is not None and session == claim.get("session"):
            return _now() - since < 2 * RENEWAL
        # Taken by a program of this machine a moment ago, by the same clock.
        renewed = claim.get("renewed")
        age = time.time() - renewed if isinstance(renewed, (int, float)) else -1.0
        if not 0 <= age < RENEWAL:
            return False
        self._known[folder] = (claim.get("session"), _now() - age)
        return True

    def give_back(self, folder: str) -> None:
        """Give a claim back that nobody here needs any more."""
        claim = self._spool.claim(folder)
        if claim is not None and is_over(claim):
            # Not while it is renewed: what was given back in the middle of that would be put there once more.
            with self._lock(folder):
                drop(self._spool, self._remote, folder)
            self._known.pop(folder, None)

    def is_needed(self) -> bool:
        """Say whether a process of this machine seems to have a claim still."""
        claims = (self._spool.claim(folder) for folder in self._spool.folders())
        return any(claim is not None and "session" in claim and not is_over(claim) for claim in claims)

    def renew(self) -> bool:
        """Renew all claims; say whether one of them need not be held any more."""
        over = False
        for folder in self._spool.folders():
            claim = self._spool.claim(folder)
            if claim is None or claim.get("pending") or "session" not in claim:
                continue
            over = over or is_over(claim)
            begun, lock = _now(), self._lock(folder)
            if not lock.acquire(blocking=False):
                continue  # whoever sends is at it
            try:
                ours = keep(self._spool, self._remote, folder)
            except StoreError:
                continue  # whoever sends meets it, and tells
            finally:
                lock.release()
            if ours:
                self._known[folder] = (claim.get("session"), begun)
            else:
                self._known.pop(folder, None)
        return over

    def _lock(self, folder: str) -> threading.Lock:
        return self._locks.setdefault(folder, threading.Lock())

    def keep_renewing(self, poke: Callable[[], None]) -> None:
        """Renew from a thread, for as long as the process lives."""

        def run() -> None:
            while True:
                time.sleep(RENEWAL)
                try:
                    over = self.renew()
                # Whatever it is, the claim is asked for again before something is sent.
                except Exception:  # noqa: BLE001
                    over = True
                if over:
                    poke()

        threading.Thread(target=run, name="lattice-claims", daemon=True).start()
