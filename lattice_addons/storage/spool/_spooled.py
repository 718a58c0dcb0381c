"""A store that is elsewhere: written to the spool on this machine, and read from there as far as it goes."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING

from lattice_addons.errors import NotInStoreError
from lattice_addons.storage._faults import already_there, not_there
from lattice_addons.storage._keys import split_key
from lattice_addons.storage._store import Store
from lattice_addons.storage.spool._aside import Asides
from lattice_addons.storage.spool._attend import Sides, compare, numbered
from lattice_addons.storage.spool._attendance import Attendance
from lattice_addons.storage.spool._cache import Cache
from lattice_addons.storage.spool._claim import is_over
from lattice_addons.storage.spool._distant import Distant, DistantReader
from lattice_addons.storage.spool._room import drop, note_gone
from lattice_addons.storage.spool._spool import LOCAL_NAMES, is_local
from lattice_addons.storage.spool._standing import standing
from lattice_addons.storage.spool._there import There, folder_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from lattice_addons.storage._held import Held
    from lattice_addons.storage._listed import Listed
    from lattice_addons.storage._reader import Reader
    from lattice_addons.storage._store import Bytes, Keys, Writer
    from lattice_addons.storage.remote import RemoteStore
    from lattice_addons.storage.spool._attend import Lines
    from lattice_addons.storage.spool._poke import Uploader
    from lattice_addons.storage.spool._spool import Spool

__all__ = ["SpooledStore"]

# What people change by commands, and may have been put there by another machine.
_CHANGED_THERE = ("checkpoints", "kept")


class SpooledStore(Store):
    """A remote store, as a program sees it: no write and no deletion waits for the network.

    Everything is written to the spool, from where the uploader sends it on. What is not there (any more) is read
    from the remote store. ``offline`` lets a program begin while that does not answer.
    """

    __module__ = "lattice_addons.storage"
    at_home = False

    def __init__(
        self, spool: Spool, remote: RemoteStore, uploader: Uploader, *, offline: bool = False
    ) -> None:
        self.url: str = spool.url
        self.spool = spool
        self.remote = remote
        self.uploader = uploader
        self._local = spool.store
        self._there = There(spool, remote, offline=offline)
        self._cache = Cache(spool.cache)
        self._distant = Distant(remote, self._there, self._cache, patient=not offline)
        self.asides: Asides = Asides(spool, self)
        self._attendance = Attendance(
            Sides(spool, remote, self._there, self.asides), uploader, offline=offline
        )
        # What is damaged here, and is read from there.
        self._distrusted: set[str] = set()

    def __repr__(self) -> str:
        """Show which one it is."""
        return f"<SpooledStore of {self.url} in {self.spool.home}>"

    # -- reading

    def read(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """Give the bytes of a key, or those in a range of it."""
        if key not in self._distrusted:
            with suppress(NotInStoreError):
                return self._local.read(key, start, stop)
        return self._elsewhere(key).read(key, start, stop)

    def read_into(self, key: str, start: int, buffer: memoryview) -> None:
        """Fill a buffer with the bytes that begin at ``start``."""
        if key not in self._distrusted:
            with suppress(NotInStoreError):
                self._local.read_into(key, start, buffer)
                return
        self._elsewhere(key).read_into(key, start, buffer)

    @contextmanager
    def reading(self, key: str, *, direct: bool = False) -> Iterator[Reader]:
        """Open a key to read from it more than once."""
        with ExitStack() as opened:
            reader: Reader | None = None
            if self._is_here(key):
                with suppress(NotInStoreError):  # it may have gone meanwhile
                    reader = opened.enter_context(self._local.reading(key, direct=direct))
            yield reader or DistantReader(self._elsewhere(key), key)

    def size(self, key: str) -> int:
        """Give the number of bytes of a key."""
        return self.facts(key).size

    def facts(self, key: str) -> Listed:
        """Give what is known of a key where it is read from: here, or there."""
        if key not in self._distrusted:
            with suppress(NotInStoreError):
                return self._local.facts(key)
        return self._elsewhere(key).facts(key)

    def list(self, prefix: str = "") -> Keys:
        """Give every key below a folder, sorted: what is here, and what is there."""
        return sorted({*self._local.list(prefix), *self._there.keys(prefix)})

    def folders(self, prefix: str = "") -> Keys:
        """Give the names of the folders directly below a folder, sorted."""
        depth = len(split_key(prefix, folder=True))
        parts = (key.split("/") for key in self._there.keys(prefix))
        there = {names[depth] for names in parts if len(names) > depth + 1}
        return sorted({*self._local.folders(prefix), *there})

    def prefetch(self, ranges: Iterable[tuple[str, int, int]]) -> None:
        """Fetch, in parallel, what is not here."""
        is_here = cache(self._is_here)
        self._distant.prefetch(each for each in ranges if not is_here(each[0]))

    def refresh(self, key: str) -> bool:
        """Read a key from the remote store, from now on, and anew; say whether it is there."""
        self._cache.drop(key)
        if not self._is_here(key):
            return self._there.place(key) is not None
        if key in self._distrusted or not self._there.knows(key) or self._there.place(key) is None:
            return False
        self._distrusted.add(key)
        return True

    def at_hand(self, key: str) -> bool:
        """Say whether a key can be read without asking the remote store."""
        return self._is_here(key) or self._distant.at_hand(key)

    @contextmanager
    def near_only(self) -> Iterator[None]:
        """Let this thread not ask the remote store in a block."""
        with self._there.near_only():
            yield

    # -- writing

    def put(self, key: str, data: Bytes) -> None:
        """Store a new key in the spool, whole and durable; never over one that is here or there."""
        self._check_new(key)
        self._local.put(key, data)
        self._tell(key)

    def replace(self, key: str, data: Bytes) -> None:
        """Store a key in the spool, in the place of an old one; one that is only there is replaced there."""
        self._revive(key)
        parts = split_key(key)
        only_there = key not in LOCAL_NAMES and len(parts) > 1 and parts[-2] in _CHANGED_THERE
        if only_there and not self._is_here(key) and self._there.place(key) is not None:
            # Sent by another machine, and so never over it by the uploader. No program does this: a person does.
            self.remote.replace(key, data)
            self._cache.drop(key)
            self._there.put(key, memoryview(data).nbytes)
            return
        self._local.replace(key, data)
        self._tell(key)

    @contextmanager
    def create(self, key: str) -> Iterator[Writer]:
        """Write a new key to the spool, piece by piece."""
        self._check_new(key)
        with self._local.create(key) as writer:
            yield writer
        self._tell(key)

    def delete(self, keys: Iterable[str]) -> None:
        """Remove keys: durably here, and it is written down that they are to go there."""
        wanted = [key for key in keys if split_key(key) and key not in self.asides.needed(folder_of(key))]
        by_folder: dict[str, Keys] = {}
        for key in dict.fromkeys(wanted):
            if not is_local(key) and (self._is_here(key) or self._there.place(key) is not None):
                by_folder.setdefault(folder_of(key), []).append(key)
        for folder, some in by_folder.items():
            # First: what would be left there if this process ended now, nobody would ever delete.
            note_gone(self.spool, self._there, folder, some)
            self._there.drop(some)
        self._local.delete(wanted)
        for key in wanted:
            self._cache.drop(key)
        if by_folder:
            self._attendance.poke()

    def needed_from(self, key: str) -> None:
        """Write down that the uploader may delete what is older before what is new is up, once this one is."""
        self.spool.add_floor(folder_of(key), key)

    def make_room(self) -> bool:
        """Drop what is in the remote store as well; say whether there was something."""
        return drop(self.spool, float("inf")) > 0

    def prune(self, folder: str) -> None:
        """Remove what is left of a folder here; there it is nothing without keys."""
        self._local.prune(folder)

    def sweep(self, folder: str = "") -> int:
        """Remove what writers that died in the middle left in the spool."""
        return self._local.sweep(folder)

    @contextmanager
    def exclusive(self, folder: str) -> Iterator[None]:
        """Keep others of this machine out of a short block; against other machines there is the claim."""
        with self._local.exclusive(folder):
            yield

    def flock_hold(self, key: str) -> Held | None:
        """Hold a key that is in the spool."""
        return self._local.flock_hold(key)

    # -- the other side

    @property
    def shared(self) -> Store:
        """The remote store itself, for the little that the machines of a job agree on at its start."""
        return self.remote

    def is_seen(self, folder: str) -> bool:
        """Say whether a rank's folder is in this spool; before the first checkpoint there may be nothing in it."""
        return os.path.isdir(self.spool.folder_path(folder))

    def attend(self, folder: str) -> None:
        """Begin to write below a rank's folder: list the job, take the claim, see that the line is one."""
        self._attendance.begin(folder)

    def leave(self, folder: str) -> None:
        """Write there no more: the uploader gives the claim back when all is up."""
        self._attendance.end(folder)

    def settle(self, folder: str, seconds: float, tell: Callable[[str], None]) -> str | None:
        """Wait for the uploader."""
        return self.uploader.settle(folder, seconds, tell)

    def standing(self, keys: Iterable[str]) -> dict[str, str]:
        """Say of keys whether they are only here, on their way, or there."""
        return standing(self.spool, self._there, keys)

    def parted(self, folder: str) -> Lines | None:
        """Give both lines of a rank that went on here and there, while no program has settled which one goes on."""
        claim = self.spool.claim(folder)
        if (claim is not None and not is_over(claim)) or not numbered(folder, self.spool.here(folder)):
            return None
        lines = compare(self.spool, self.remote, folder, self.remote.listing(folder).keys())
        return lines if lines.parted else None

    def _elsewhere(self, key: str) -> Distant:
        split_key(key)
        if is_local(key):
            raise not_there(self.url, key)
        return self._distant

    def _is_here(self, key: str) -> bool:
        if key in self._distrusted:
            return False
        try:
            os.stat(self.spool.path(key), follow_symlinks=False)
        except OSError:
            return False
        return True

    def _check_new(self, key: str) -> None:
        """See that a key that is to be made is not there."""
        self._revive(key)
        if not is_local(key) and self._there.place(key) is not None and not self._is_here(key):
            raise already_there(self.url, key)

    def _revive(self, key: str) -> None:
        """Let a key be made again that was deleted."""
        split_key(key)
        if is_local(key) or not self._there.is_deleted(key):
            return
        if not self._there.was_sent(key):
            # By another machine, and so never over it by the uploader: what is there of it goes first.
            self.remote.delete([key])
        self.spool.take_back(folder_of(key), key)
        self._there.revive(key)

    def _tell(self, key: str) -> None:
        """Let the uploader know of a key; of a pack it hears with its manifest."""
        self._distrusted.discard(key)
        if not is_local(key) and not key.endswith(".pack"):
            self._attendance.poke()
