"""A store keeps bytes under keys; what it has acknowledged is there after a crash."""

from __future__ import annotations

import abc
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Protocol

from lattice_addons.errors import NotInStoreError
from lattice_addons.storage._faults import ends_early, kept_locked
from lattice_addons.storage._gathered import Gathered
from lattice_addons.storage._held import hold_here
from lattice_addons.storage._keys import split_key
from lattice_addons.storage._listed import Listed
from lattice_addons.storage._process import LOCK_SECONDS, section_lock
from lattice_addons.storage._reader import KeyReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager

    from lattice_addons.storage._held import Held
    from lattice_addons.storage._reader import Reader

__all__ = ["Bytes", "Keys", "Store", "Writer", "critical_section"]

Bytes = bytes | bytearray | memoryview
Keys = list[str]  # a name for it where a method named `list` hides the type


@contextmanager
def critical_section(url: str, folder: str) -> Iterator[None]:
    """Keep this process's other threads out of a short block."""
    lock = section_lock(url, folder)
    if not lock.acquire(timeout=LOCK_SECONDS):
        raise kept_locked(url, folder, LOCK_SECONDS)
    try:
        yield
    finally:
        lock.release()


class Writer(Protocol):
    """Takes the bytes of one key, piece by piece."""

    @property
    def position(self) -> int:
        """Give where the next piece is appended: behind the last byte that was written."""

    def write(self, data: Bytes) -> None:
        """Append all of these bytes."""

    def write_at(self, data: Bytes, offset: int, *, paged: bool = False) -> None:
        """Write all of these bytes there, from any thread; what lies between is zeros.

        With ``paged`` they are whole pages of memory that begin at a page's start, and go to whole pages: these need
        not be copied once more on their way to the disk.
        """


class Store(abc.ABC):
    """Bytes under keys, which are relative POSIX paths.

    Every method may be called from several threads. Each raises a ``StoreError`` that says what, where and
    what to do; a key that is not there is a ``NotInStoreError``.
    """

    url: str
    at_home = True  # to read and to write takes no network

    @abc.abstractmethod
    def read(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """Give the bytes of a key, or of a range of it; fewer where they end before ``stop``."""

    def read_into(self, key: str, start: int, buffer: memoryview) -> None:
        """Fill a buffer with the bytes that begin at ``start``; ``DamagedError`` where there are too few."""
        target = buffer.cast("B") if buffer.nbytes else buffer
        data = self.read(key, start, start + buffer.nbytes)
        if len(data) != buffer.nbytes:
            raise ends_early(self.url, key, start + len(data), start + buffer.nbytes)
        if data:
            target[:] = data

    @contextmanager
    def reading(self, key: str, *, direct: bool = False) -> Iterator[Reader]:  # noqa: ARG002 - as every store's
        """Open a key to read from it more than once; ``direct`` prefers the disk to the system's cache."""
        yield KeyReader(self, key)

    def map(self, key: str, start: int, length: int) -> memoryview | None:
        """Give bytes as writable memory of one's own, filled when it is used; None where this cannot be had.

        It stays as it is whatever becomes of the key.
        """
        with self.reading(key) as reader:
            return reader.map(start, length)

    @abc.abstractmethod
    def size(self, key: str) -> int:
        """Give the number of bytes of a key."""

    def facts(self, key: str) -> Listed:
        """Give what is known of a key without reading it."""
        return Listed(self.size(key), "", None)

    @abc.abstractmethod
    def list(self, prefix: str = "") -> Keys:
        """Give every key below a folder, sorted; none when there is no such folder."""

    def listing(self, prefix: str = "") -> dict[str, Listed]:
        """Give every key below a folder, with what is known of it, sorted."""
        there: dict[str, Listed] = {}
        for key in self.list(prefix):
            with suppress(NotInStoreError):  # removed since
                there[key] = self.facts(key)
        return there

    def folders(self, prefix: str = "") -> Keys:
        """Give the names of the folders directly below a folder, sorted."""
        depth = len(split_key(prefix, folder=True))
        parts = (key.split("/") for key in self.list(prefix))
        return sorted({names[depth] for names in parts if len(names) > depth + 1})

    @abc.abstractmethod
    def put(self, key: str, data: Bytes) -> None:
        """Store a new key, whole and durable, or not at all; over an old one never (``errno`` ``EEXIST``)."""

    @abc.abstractmethod
    def replace(self, key: str, data: Bytes) -> None:
        """Store a key, whole and durable, in the place of an old one: a reader sees old or new."""

    @abc.abstractmethod
    def create(self, key: str) -> AbstractContextManager[Writer]:
        """Write a new key piece by piece: durable when the block ends well, not there when it does not."""

    def stage(self, key: str, *, over: bool = False) -> AbstractContextManager[Writer]:
        """Write a key piece by piece where nobody sees it: there, whole and durable, when the block ends well.

        It goes ``over`` an old one, or is refused where there is one (``errno`` ``EEXIST``).
        """
        split_key(key)
        return self._gathering(key, self.replace if over else self.put)

    @contextmanager
    def _gathering(self, key: str, store: Callable[[str, Bytes], None]) -> Iterator[Writer]:
        gathered = Gathered()
        yield gathered
        store(key, gathered.data)

    @abc.abstractmethod
    def delete(self, keys: Iterable[str]) -> None:
        """Remove keys, durably; those that are not there are fine."""

    def prune(self, folder: str) -> None:
        """Remove what is left of a folder when all its keys are deleted and nobody will write there."""
        split_key(folder, folder=True)

    def sweep(self, folder: str = "") -> int:
        """Remove what writers that died in the middle left below a folder; give how many that were."""
        split_key(folder, folder=True)
        return 0

    @contextmanager
    def exclusive(self, folder: str) -> Iterator[None]:
        """Keep every other thread and process that asks for the same out of a short block; not re-entrant."""
        split_key(folder, folder=True)
        with critical_section(self.url, folder.removesuffix("/")):
            yield

    def flock_hold(self, key: str) -> Held | None:
        """Hold an existing key until released or until this process ends; None when somebody holds it."""
        self.size(key)
        return hold_here(self.url, key)

    # What follows is for stores on the other side of a network; a local one has nothing to do for it.

    def prefetch(self, ranges: Iterable[tuple[str, int, int]]) -> None:
        """Have ranges (key, start, stop) at hand that will be read at once, where to read each is slow."""
        del ranges

    def refresh(self, key: str) -> bool:
        """Drop what is kept of a key on its way here; say whether to read it again may give other bytes."""
        split_key(key)
        return False

    def at_hand(self, key: str) -> bool:
        """Say whether to read a key, which is there, costs no more than to read from a disk."""
        split_key(key)
        return True

    @contextmanager
    def near_only(self) -> Iterator[None]:
        """Let this thread ask nobody on the other side of a network in a block: ``UnreachableError`` instead."""
        yield

    @property
    def shared(self) -> Store:
        """Where every machine sees at once what another one puts: the store itself, where that is one place."""
        return self

    @property
    def conditional(self) -> bool:
        """Say whether a key that is there is never put again, whoever else puts it in the same moment."""
        return True

    def is_seen(self, folder: str) -> bool:  # noqa: ARG002 - a spool looks
        """Say whether who writes below a folder would be seen from here; in another's spool nobody is."""
        return True

    def attend(self, folder: str) -> None:
        """Begin to write below the folder of a rank, as the only one; cheap when this process has begun already.

        Raises:
            UnreachableError, NoAccessError: the store cannot be asked what is there.
            LeaseHeldError: another machine writes there.
        """
        del folder

    def leave(self, folder: str) -> None:
        """Write there no more."""
        del folder

    def needed_from(self, key: str) -> None:
        """Know that no rank of a job needs what is deleted from now on of this one, once this checkpoint is there."""
        split_key(key)

    def make_room(self) -> bool:
        """Drop what is kept nearby of what is elsewhere; say whether there was something."""
        return False

    def settle(self, folder: str, seconds: float, tell: Callable[[str], None]) -> str | None:
        """Wait until what was committed below a folder is where it must go; else say what is not, and what to do."""
        del folder, seconds, tell
        return None

    def standing(self, keys: Iterable[str]) -> dict[str, str]:
        """Say of keys that go elsewhere how far they are: ``local``, ``uploading`` or ``remote``."""
        del keys
        return {}
