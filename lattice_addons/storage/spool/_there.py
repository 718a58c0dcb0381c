"""What is in the remote store, as far as this machine knows: a listing, what was sent since, and what is to go."""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from lattice_addons.errors import UnreachableError
from lattice_addons.storage._keys import split_key
from lattice_addons.storage.spool._claim import CLAIMS
from lattice_addons.storage.spool._spool import LOCAL_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from lattice_addons.storage.remote import RemoteStore
    from lattice_addons.storage.spool._spool import Spool, Stamp

__all__ = ["Place", "There", "folder_of"]

# How old a listing may be for who only reads, in seconds; who writes is the only one, and knows.
_FRESH = 10.0


class Place(NamedTuple):
    """How long a key is there, and what tells it from another one of its name."""

    size: int
    tag: str


def folder_of(key: str) -> str:
    """Give the folder whose records tell of a key: that of its rank."""
    parts = key.split("/")
    return "".join(f"{part}/" for part in parts[: min(2, len(parts) - 1)])


class There:
    """The keys of a remote store; it is listed once for a job, when that is asked for."""

    def __init__(self, spool: Spool, remote: RemoteStore, *, offline: bool = False) -> None:
        self._spool = spool
        self._offline = offline
        self._remote = remote
        self._lock = threading.RLock()
        self._listed: dict[str, float] = {}  # "job/", or "" for all of them: when that was
        self._lasting: set[str] = set()
        self._places: dict[str, Place] = {}
        self._sent: dict[str, tuple[object, dict[str, Stamp]]] = {}
        # What the spool says was sent, and was not there when that was looked at: deleted by another machine.
        self._stale: set[str] = set()
        self._deleted: set[str] = set()
        self._records: set[str] = set()
        self._asking = threading.local()

    @contextmanager
    def near_only(self) -> Iterator[None]:
        """Let this thread ask for nothing in a block."""
        before = self._is_near_only()
        self._asking.refused = True
        try:
            yield
        finally:
            self._asking.refused = before

    def see_that_it_may(self, ask_for: str) -> None:
        """Raise an `UnreachableError` where this thread is to ask for nothing now."""
        if self._is_near_only():
            url = self._remote.url
            message = f"{ask_for} is only in {url}, which is not asked for it now; start the program again"
            raise UnreachableError(message, url=url)

    def _is_near_only(self) -> bool:
        return getattr(self._asking, "refused", False)

    def place(self, key: str) -> Place | None:
        """Give what is known of a key; None when it is not there."""
        split_key(key)
        with self._lock:
            self._look(key, again=False)
            folder = folder_of(key)
            if key in self._gone(folder) or _is_ours_alone(key):
                return None
            if key not in self._places and key not in self._uploaded(folder):
                self._look(key, again=True)
            if key in self._places:
                return self._places[key]
            stamp = self._uploaded(folder).get(key)
            return Place(stamp[0], "") if stamp is not None and key not in self._stale else None

    def lacks(self, folder: str) -> set[str]:
        """Give what this machine has sent to a rank's folder, and was not there when it was listed."""
        with self._lock:
            return {key for key in self._stale if key.startswith(folder)}

    def keys(self, prefix: str) -> set[str]:
        """Give the keys below a folder."""
        start = "".join(f"{part}/" for part in split_key(prefix, folder=True))
        with self._lock:
            self._look(start, again=True)
            sent = self._folders(start)
            found = {key for key in self._places if key.startswith(start)}
            for folder in sent:
                uploaded = self._uploaded(folder)
                found |= {key for key in uploaded if key.startswith(start) and key not in self._stale}
            for folder in sent | {folder_of(key) for key in found}:
                found -= self._gone(folder)
        return {key for key in found if not _is_ours_alone(key)}

    def knows(self, key: str) -> bool:
        """Say whether it can be told without a request whether a key is there."""
        return folder_of(key) in self._lasting or any(each in self._listed for each in ("", _scope(key)))

    def list_job(self, folder: str) -> set[str]:
        """List the job of a rank's folder, below which only this machine writes from now on; give all its keys."""
        job = _scope(folder)
        with self._lock:
            self._list(job)
            self._lasting.add(folder)
            return {key for key in self._places if key.startswith(job)}

    def go_without(self, folder: str) -> None:
        """Take it that nothing is there but what this machine has sent: the store does not answer."""
        with self._lock:
            self._listed[_scope(folder)] = time.monotonic()
            self._lasting.add(folder)

    def is_deleted(self, key: str) -> bool:
        """Say whether a key was deleted, so that it is to be deleted there."""
        with self._lock:
            return key in self._gone(folder_of(key))

    def was_sent(self, key: str) -> bool:
        """Say whether this machine has sent a key, so that it may send another one over it."""
        with self._lock:
            return key in self._uploaded(folder_of(key))

    def drop(self, keys: Iterable[str]) -> None:
        """Know that these are gone, or are about to go."""
        with self._lock:
            self._deleted.update(keys)

    def revive(self, key: str) -> None:
        """Know that a key that was deleted is made again."""
        with self._lock:
            self._deleted.discard(key)
            self._stale.add(key)  # what was sent is not it
            self._places.pop(key, None)

    def undelete(self, folder: str) -> None:
        """Know that nothing is to be deleted below a rank's folder any more."""
        with self._lock:
            self._deleted = {key for key in self._deleted if not key.startswith(folder)}

    def put(self, key: str, size: int) -> None:
        """Know that a key was put there just now."""
        with self._lock:
            self._deleted.discard(key)
            self._places[key] = Place(size, f"{time.time_ns()}")

    def forget(self) -> None:
        """List again when something is asked for next."""
        with self._lock:
            self._listed.clear()
            self._lasting.clear()

    def _look(self, key: str, *, again: bool) -> None:
        """See that the job of a key is listed; with ``again``, not long ago, where others may write."""
        if folder_of(key) in self._lasting:
            return
        scope = _scope(key)
        times = [self._listed[each] for each in ("", scope) if each in self._listed]
        if times and (not again or time.monotonic() - max(times) <= _FRESH or self._is_near_only()):
            return
        self.see_that_it_may(f"what there is of {scope or 'the jobs'}")
        try:
            self._list(scope)
        except UnreachableError:
            if not self._offline:
                raise
            self._listed[scope] = time.monotonic()

    def _list(self, scope: str) -> None:
        uploaded = {key for folder in self._folders(scope) for key in self._uploaded(folder)}
        found = self._remote.listing(scope)
        self._places = {key: place for key, place in self._places.items() if not key.startswith(scope)}
        self._places |= {key: Place(one.size, one.tag) for key, one in found.items()}
        # Read before that: what is sent meanwhile is not taken to be gone.
        self._stale = {key for key in self._stale if not key.startswith(scope)} | (uploaded - found.keys())
        self._listed[scope] = time.monotonic()

    def _folders(self, prefix: str) -> set[str]:
        """Give the folders with records that tell of keys below one."""
        if prefix.count("/") > 1:
            return {folder_of(prefix)}
        return {folder for folder in self._spool.folders() if folder.startswith(prefix)}

    def _uploaded(self, folder: str) -> Mapping[str, Stamp]:
        try:
            facts = os.stat(self._spool.uploaded_path(folder))
        except OSError:
            return {}
        version = (facts.st_ino, facts.st_size, facts.st_mtime_ns)
        known = self._sent.get(folder)
        if known is None or known[0] != version:
            # Asked for before it is read: one that is replaced meanwhile is read again.
            known = self._sent[folder] = (version, self._spool.uploaded(folder))
        return known[1]

    def _gone(self, folder: str) -> set[str]:
        """Give what is to be deleted there: what was once, never comes back by itself."""
        for name, keys in self._spool.gone(folder, besides=self._records).items():
            self._records.add(name)
            self._deleted.update(keys)
        return self._deleted


def _scope(key: str) -> str:
    job, slash, _ = key.partition("/")
    return f"{job}/" if slash else ""


def _is_ours_alone(key: str) -> bool:
    parts = key.split("/")
    return parts[-1] in LOCAL_NAMES or f"{parts[-2] if len(parts) > 1 else ''}/" == CLAIMS
