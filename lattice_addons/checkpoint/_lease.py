"""One live process writes a job and rank; a dead one's lease is taken over at once."""

from __future__ import annotations

import atexit
import logging
import os
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import orjson

from lattice_addons.checkpoint._layout import lease_key, rank_folder
from lattice_addons.errors import LeaseHeldError, NotInStoreError, StoreError
from lattice_addons.lifecycle import Owner
from lattice_addons.storage import ulid

if TYPE_CHECKING:
    from lattice_addons.storage import Held, Store

__all__ = ["Lease"]

_log = logging.getLogger("lattice_addons.checkpoint")
# The leases that this process holds. A forked child inherits the set, and is another owner all the same.
_held_here: WeakSet[Lease] = WeakSet()


class Lease:
    """The right to write one rank's checkpoints."""

    def __init__(self, store: Store, job: str, rank: int) -> None:
        self.job = job
        self.rank = rank
        self._store = store
        self._folder = rank_folder(job, rank)
        self._key = lease_key(self._folder)
        # Unlike pid and start time, it is another one after an exec.
        self._session = ""
        self._pid = 0
        self._lock: Held | None = None

    def acquire(self) -> None:
        """Take the lease, or see that it is still held; `LeaseHeldError` when another live process has it."""
        if self._is_ours(self._told()):
            return
        if self._lock is not None:
            # Of a lease that was removed since: it must not be taken for another's.
            self._lock.release()
        # Judging and taking are one step: of two that find a dead one's lease, one gets it.
        with self._store.exclusive(self._folder):
            told = self._told()
            if told is not None:
                self._judge(told)
            self._session, self._pid = ulid(), os.getpid()
            mine = Owner.current().to_dict() | {"session": self._session}
            self._store.replace(self._key, orjson.dumps(mine, option=orjson.OPT_INDENT_2) + b"\n")
            self._lock = self._store.flock_hold(self._key)
        _held_here.add(self)
        try:
            self._store.attend(self._folder)
        except BaseException:
            # Nothing is written with this lease, and another process may have better luck.
            self.release()
            raise

    def is_held(self) -> bool | None:
        """Say whether a live process has it; None where that cannot be told from here. No lock is taken."""
        told = self._told()
        if told is None:
            return False
        try:
            return Owner.from_dict(told).alive()
        except ValueError:
            return None

    def left_by(self) -> int | None:
        """Give the process that had it last and did not give it back, or has it now; None where there is none."""
        pid = (self._told() or {}).get("pid")
        return pid if type(pid) is int else None

    def is_over(self) -> bool:
        """Say whether the store that it was taken in was removed, or another process had it since, which has ended.

        That its file alone is gone means nothing.
        """
        told = self._told()
        if told is None:
            return not self._is_anything_left()
        return not self._is_ours(told) and self.is_held() is False

    def _is_anything_left(self) -> bool:
        if not self._store.at_home:
            # What is at the other side of a network is not asked for.
            return self._store.is_seen(self._folder)
        job, rank = self._folder.rstrip("/").split("/")
        return rank in self._store.folders(job)

    def lives(self, session: str, owner: Owner) -> bool | None:
        """Say whether this process still has it since this session began; None where that cannot be told from here."""
        alive = owner.alive()
        if alive is False:
            return False
        told = self._told()
        if told is None:
            # Given back; or it stays on another machine, or in another spool of this one.
            return False if alive and self._store.is_seen(self._folder) else None
        if told.get("session") != session:
            return False
        if alive is None:
            # Whoever takes the lease in this moment waits, and does not find its lock taken.
            with self._store.exclusive(self._folder):
                locked, sure = self._is_locked()
            return locked if sure else None
        return True

    @property
    def session(self) -> str:
        """What tells this process's holding it from every other one; empty when it does not."""
        return self._session

    def held(self) -> bool:
        """Say whether it is this one's now."""
        try:
            return self._is_ours(self._told())
        except StoreError:
            return False

    def release(self) -> None:
        """Let another process write; nothing happens where the lease is not this one's."""
        if self._pid != os.getpid():
            return
        try:
            # Before another process of this machine may attend to it.
            self._store.leave(self._folder)
            # Asked first: locking would make the folder of a store that was removed.
            if self._is_ours(self._told()):
                with self._store.exclusive(self._folder):
                    if self._is_ours(self._told()):
                        # Nobody judges it now; and Windows removes no file that is open.
                        if self._lock is not None:
                            self._lock.release()
                        self._store.delete([self._key])
        except StoreError as error:
            # The process's end frees it as well.
            _log.debug("the lease %s could not be removed: %s", self._key, error)
        if self._lock is not None:
            self._lock.release()
        self._session, self._pid, self._lock = "", 0, None
        _held_here.discard(self)

    def _told(self) -> dict[str, Any] | None:
        """Give what the lease file says; None when there is none."""
        try:
            text = self._store.read(self._key)
        except NotInStoreError:
            return None
        try:
            told = orjson.loads(text)
        except orjson.JSONDecodeError:
            return {}
        return told if isinstance(told, dict) else {}

    def _is_ours(self, told: dict[str, Any] | None) -> bool:
        mine = bool(self._session) and self._pid == os.getpid()
        return mine and told is not None and told.get("session") == self._session

    def _judge(self, told: dict[str, Any]) -> None:
        """Say by an error that the holder may live; give nothing when it is dead."""
        try:
            owner = Owner.from_dict(told)
        except ValueError:
            owner = Owner("(unknown)", "", 0, 0, "")
        alive = owner.alive()
        if alive and owner == Owner.current():
            # This process: another Line of it, or what it was before it exec'ed itself.
            session = told.get("session")
            alive = any(lease._session == session for lease in list(_held_here))  # noqa: SLF001 - one class
        if alive is None:
            alive, sure = self._is_locked()
        else:
            sure = True
        if alive:
            raise self._refusal(owner, sure=sure)

    def _is_locked(self) -> tuple[bool, bool]:
        """Ask the lock on the file, for a holder in another container or host; say if that is sure."""
        try:
            lock = self._store.flock_hold(self._key)
        except NotInStoreError:
            return False, True
        if lock is None:
            return True, True
        sure = lock.locked
        lock.release()
        # A file system without locks cannot tell, and two writers are worse than none.
        return not sure, sure

    def _refusal(self, owner: Owner, *, sure: bool) -> LeaseHeldError:
        here = ", this very process" if owner == Owner.current() else ""
        message = (
            f"job {self.job!r} (rank {self.rank}) in {self._store.url} is written by process {owner.pid} "
            f"on host {owner.host}{here}; wait for its end, or give this program a job of its own, "
            f"e.g. LATTICE_JOB_ID={self.job}-2"
        )
        if not sure:
            message += (
                ". Whether it still runs cannot be told from here; "
                f"if it certainly does not, delete {self._key} there"
            )
        return LeaseHeldError(
            message,
            url=self._store.url,
            job=self.job,
            host=owner.host,
            pid=owner.pid,
            ancestor=owner.is_ancestor(),
        )


# Registered when this is imported, which is before a program's saving at exit is: so it runs after that.
@atexit.register
def _release_all() -> None:
    for lease in list(_held_here):
        lease.release()
