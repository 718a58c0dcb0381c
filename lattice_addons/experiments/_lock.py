"""One live runner runs an experiment; a dead one's place is taken over at once, when its workers have ended, too."""

from __future__ import annotations

import errno
import os
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import orjson

from lattice_addons.errors import ExperimentBusyError, NotInStoreError, StoreError
from lattice_addons.lifecycle import Owner, start_thread
from lattice_addons.storage import ulid

from ._orphan import workers_ended

if TYPE_CHECKING:
    from lattice_addons.storage import Held

    from ._place import Place

__all__ = ["RunnerLock"]

_KEY = "runner.json"
_BEAT = 20.0  # seconds between two signs of life, where no lock shows it
_DEAD = 120.0  # seconds without one after which a runner on another host counts as dead
_WORKERS = 60.0  # seconds that the workers of a dead runner may take to end
_CLAIMS = "successors"
_held_here: WeakSet[RunnerLock] = WeakSet()


class RunnerLock:
    """The right to run an experiment, for a ``with`` block."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._session = ""
        self._beaten = 0.0
        self._lock: Held | None = None
        self._claimed: list[str] = []
        self._beating = threading.Lock()
        self._ended = threading.Event()

    def __enter__(self) -> RunnerLock:  # noqa: PYI034 - Self is not in typing before 3.11
        """Take the place.

        Raises:
            ExperimentBusyError: another live program has it.
        """
        store = self._place.store
        with store.exclusive(""):
            told = self._told()
            self._session = ulid()
            if told is not None:
                self._judge(told)
                self._claim(told)
            self._write(new=told is None)
            self._lock = store.flock_hold(_KEY)
        _held_here.add(self)
        try:
            self._await_workers()
        except BaseException:
            # Also when Ctrl-C ends the waiting: the next runner must not find the place taken.
            self.__exit__()
            raise
        if not self._is_seen():
            self._ended.clear()
            start_thread(self._keep_beating, "lattice-runner")
        return self

    def __exit__(self, *_: object) -> None:
        """Let another runner have it."""
        _held_here.discard(self)
        self._ended.set()
        with self._beating:
            try:
                if self._is_ours(self._told()):
                    self._place.store.delete([_KEY, *self._claimed])
            except StoreError:
                pass  # the end of this process frees it as well
            if self._lock is not None:
                self._lock.release()
            self._session, self._lock, self._claimed = "", None, []

    def beat(self) -> None:
        """Show that this runner lives, where no lock does; to be called now and then.

        Raises:
            ExperimentBusyError: another one has taken its place.
        """
        with self._beating:
            if not self._session or self._is_seen() or time.monotonic() - self._beaten < _BEAT:
                return
            told = self._told()
            if told is not None and not self._is_ours(told):
                raise self._refusal(told)
            self._write(new=False)

    def _is_seen(self) -> bool:
        """Say whether a lock shows that this runner lives."""
        return self._place.local and self._lock is not None and self._lock.locked

    def _keep_beating(self) -> None:
        """Beat also while the main thread is long in one thing: in a run that has no process of its own, say."""
        while not self._ended.wait(_BEAT / 4):
            with suppress(ExperimentBusyError, StoreError):
                # What it met is met again, and told, by who calls `beat` next.
                self.beat()

    def _claim(self, told: dict[str, Any]) -> None:
        """Let one of several take a dead runner's place, where no lock keeps the others out while it does."""
        if self._place.local:
            return
        key = f"{_CLAIMS}/{told.get('session') or 'unknown'}.json"
        if not self._put(key):
            other = self._told(key)
            if other is not None and _age(other) < _DEAD:
                raise self._refusal(other)
            self._place.store.replace(key, self._mine())  # it died before it had the place
        self._claimed = self._place.store.list(_CLAIMS)

    def _mine(self) -> bytes:
        told = {"owner": Owner.current().to_dict(), "session": self._session, "beat": time.time()}
        return orjson.dumps(told, option=orjson.OPT_INDENT_2) + b"\n"

    def _write(self, *, new: bool) -> None:
        self._beaten = time.monotonic()
        if not new:
            self._place.store.replace(_KEY, self._mine())
            return
        if not self._put(_KEY):
            raise self._refusal(self._told() or {})

    def _put(self, key: str) -> bool:
        """Store who this is; say whether nobody else had."""
        try:
            self._place.store.put(key, self._mine())
        except StoreError as error:
            if error.errno != errno.EEXIST:
                raise
            return False
        return True

    def _told(self, key: str = _KEY) -> dict[str, Any] | None:
        try:
            told = orjson.loads(self._place.store.read(key))
        except NotInStoreError:
            return None
        except orjson.JSONDecodeError:
            return {}
        return told if isinstance(told, dict) else {}

    def _is_ours(self, told: dict[str, Any] | None) -> bool:
        return bool(self._session) and told is not None and told.get("session") == self._session

    def _judge(self, told: dict[str, Any]) -> None:
        """Say by an error that the runner may live."""
        try:
            owner = Owner.from_dict(told.get("owner", {}))
        except ValueError:
            return  # half written by nobody that we know
        alive = owner.alive()
        if alive and owner == Owner.current():
            # This process: another thread of it, or what it was before it exec'ed itself.
            alive = any(lock._session == told.get("session") for lock in list(_held_here))  # noqa: SLF001 - one class
        if alive is None:
            alive = self._seems_alive(told)
        if alive:
            raise self._refusal(told)

    def _seems_alive(self, told: dict[str, Any]) -> bool:
        """Judge a runner in another container or on another host."""
        if self._place.local:
            lock = self._place.store.flock_hold(_KEY)
            if lock is None:
                return True
            sure = lock.locked
            lock.release()
            if sure:
                return False
        return _age(told) < _DEAD

    def _refusal(self, told: dict[str, Any]) -> ExperimentBusyError:
        owner = told.get("owner", {})
        pid, host = owner.get("pid", 0), owner.get("host", "(unknown)")
        here = ", this very process" if pid == os.getpid() and owner == Owner.current().to_dict() else ""
        message = (
            f"{self._place.experiment} is run by process {pid} on host {host}{here}, in {self._place.url}; "
            f"wait for its end{self._patience(told)}, or give this run another root="
        )
        return ExperimentBusyError(message, experiment=self._place.experiment, host=host, pid=pid)

    def _patience(self, told: dict[str, Any]) -> str:
        """Say how long a runner that cannot be seen from here would be waited for, were it dead."""
        if self._place.local or not _age(told) < _DEAD:
            return ""
        return f" (it showed that it lives {_age(told):.0f} s ago, and counts as dead {_DEAD:.0f} s after it last did)"

    def _await_workers(self) -> None:
        if not workers_ended(self._place.folder, _WORKERS):
            message = (
                f"workers of a runner of {self._place.experiment} that died are still at work in "
                f"{self._place.folder}: end them (`fuser {self._place.folder}/workers.lock` says which they are)"
            )
            raise ExperimentBusyError(message, experiment=self._place.experiment, host="", pid=0)


def _age(told: dict[str, Any]) -> float:
    """Give the seconds since a runner showed that it lives; 0 where it does not say."""
    beat = told.get("beat")
    return max(time.time() - beat, 0.0) if isinstance(beat, (int, float)) else 0.0
