"""Files that are on their way stay readable though their names go: they are held open."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from lattice_addons._system import O_CLOEXEC, O_NOFOLLOW, lock, unlock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lattice_addons.storage.spool._spool import Spool, Stamp

__all__ = ["InWritingError", "OpenFile", "OpenFiles"]

# So many descriptors are held at once; other files are opened when their turn comes.
_MOST = 128


class InWritingError(Exception):
    """The file is being written: its writer has it locked."""


class OpenFile:
    """A file of the spool, open; ``stamp`` is that of the bytes which are read from it."""

    def __init__(self, path: str) -> None:
        self._named = path
        self.descriptor = os.open(path, os.O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        try:
            facts = os.fstat(self.descriptor)
            self.stamp: Stamp = [facts.st_size, facts.st_mtime_ns]
            self._see_that_it_is_whole(facts.st_size)
        except BaseException:
            self.close()
            raise

    def _see_that_it_is_whole(self, size: int) -> None:
        # A pack is written under its own name, by who holds a lock on it. An empty one is not touched: its writer
        # has made it, and takes the lock next.
        if size:
            try:
                lock(self.descriptor, shared=True)
                unlock(self.descriptor)
            except BlockingIOError:
                raise InWritingError(self._named) from None
            except OSError:
                pass  # a file system without locks
        elif self._named.endswith(".pack"):
            raise InWritingError(self._named)

    @property
    def path(self) -> str:
        """Give a path that leads to these bytes, whatever becomes of the name."""
        through = f"/proc/self/fd/{self.descriptor}"
        return through if os.path.exists(through) else self._named

    def is_named(self) -> bool:
        """Say whether the name still leads here."""
        try:
            there = os.stat(self._named, follow_symlinks=False)
            mine = os.fstat(self.descriptor)
        except OSError:
            return False
        return (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)

    def close(self) -> None:
        """Let go of it."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


class OpenFiles:
    """The files of some keys, as many as possible open from the start."""

    def __init__(self, spool: Spool, keys: Sequence[str]) -> None:
        self._spool = spool
        self._keys = list(keys)
        self._open: dict[str, OpenFile] = {}
        self.vanished: list[str] = []
        self.in_writing: list[str] = []
        for key in self._keys[:_MOST]:
            found = self._try(key)
            if found is not None:
                self._open[key] = found

    def _try(self, key: str) -> OpenFile | None:
        try:
            return OpenFile(self._spool.path(key))
        except InWritingError:
            self.in_writing.append(key)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                raise
            self.vanished.append(key)
        return None

    def drop_nameless(self) -> None:
        """Let go of those that have lost their names."""
        for key, file in list(self._open.items()):
            if not file.is_named():
                self.vanished.append(key)
                self._open.pop(key).close()

    def each(self) -> Iterator[tuple[str, OpenFile]]:
        """Give each that there is, and close it after its turn."""
        for key in self._keys:
            file = self._open.pop(key, None)
            if file is None and key not in self.vanished and key not in self.in_writing:
                file = self._try(key)
            if file is not None:
                try:
                    yield key, file
                finally:
                    file.close()

    def close(self) -> None:
        """Let go of all."""
        while self._open:
            self._open.popitem()[1].close()
