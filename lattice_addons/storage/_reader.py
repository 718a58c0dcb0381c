"""One key that is open for reading, by several threads at once."""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING, Protocol

from lattice_addons._system import is_direct, read_at, set_direct
from lattice_addons.storage._faults import ends_early, told
from lattice_addons.storage._listed import listed_file
from lattice_addons.storage._mapping import map_private

if TYPE_CHECKING:
    from lattice_addons.storage._listed import Listed
    from lattice_addons.storage._store import Store

__all__ = ["FileReader", "KeyReader", "Reader"]

# One call into the system, short enough that a signal's handler need not wait for it to end.
_AT_ONCE = 16 << 20


class Reader(Protocol):
    """Gives the bytes of one key, from any thread."""

    size: int
    facts: Listed

    def read_into(self, start: int, buffer: memoryview) -> None:
        """Fill a buffer with the bytes that begin at ``start``; ``DamagedError`` where there are too few."""

    def read_pages(self, start: int, buffer: memoryview) -> int:
        """Fill a buffer of whole pages with the bytes from a page's start on; give how many there were.

        Where the store can, they come straight from the disk and leave the system's cache as it is.
        """

    def map(self, start: int, length: int) -> memoryview | None:
        """Give bytes as writable memory of one's own that the system fills when it is used; None if it cannot."""


class KeyReader:
    """A reader of any store: each read is one of the store's own."""

    def __init__(self, store: Store, key: str) -> None:
        self._store = store
        self._key = key
        self.facts = store.facts(key)
        self.size = self.facts.size

    def read_into(self, start: int, buffer: memoryview) -> None:
        """Fill a buffer with the bytes that begin at ``start``."""
        self._store.read_into(self._key, start, buffer)

    def read_pages(self, start: int, buffer: memoryview) -> int:
        """Fill a buffer with what there is from ``start`` on."""
        there = max(min(buffer.nbytes, self.size - start), 0)
        if there:
            self._store.read_into(self._key, start, buffer[:there])
        return there

    def map(self, start: int, length: int) -> memoryview | None:  # noqa: ARG002 - as every reader's
        """Give None: there is no file."""
        return None


class FileReader:
    """A reader of an open file, which somebody else closes."""

    def __init__(self, descriptor: int, url: str, key: str) -> None:
        self._descriptor = descriptor
        self._url = url
        self._key = key
        self._path = os.path.join(url, key)
        self.facts = listed_file(os.fstat(descriptor))
        self.size = self.facts.size
        self._direct = is_direct(descriptor)

    def read_into(self, start: int, buffer: memoryview) -> None:
        """Fill a buffer with the bytes that begin at ``start``."""
        with told("read", self._path):
            target = buffer.cast("B") if buffer.nbytes else buffer
            done = self._fill(start, target, target.nbytes) if start >= 0 else 0
            if done < buffer.nbytes or start < 0:
                end = os.fstat(self._descriptor).st_size
                raise ends_early(self._url, self._key, end, start + buffer.nbytes)

    def read_pages(self, start: int, buffer: memoryview) -> int:
        """Fill a buffer with what there is from ``start`` on."""
        there = max(min(buffer.nbytes, self.size - start), 0)
        with told("read", self._path):
            done = self._fill(start, buffer, there)
            if not self._direct and sys.platform == "linux" and hasattr(os, "posix_fadvise"):
                # What is read once must not push out of the cache what is read often.
                os.posix_fadvise(self._descriptor, start, done, os.POSIX_FADV_DONTNEED)
        return done

    def _fill(self, start: int, buffer: memoryview, enough: int) -> int:
        done = 0
        while done < enough:
            got = self._read(start + done, buffer[done : done + _AT_ONCE])
            if got == 0:
                break
            done += got
        return done

    def _read(self, start: int, buffer: memoryview) -> int:
        # Asked first: another thread may be refused, too, and see to it before this one.
        direct = self._direct
        try:
            return read_at(self._descriptor, buffer, start)
        except OSError as error:
            if error.errno != errno.EINVAL or not direct:
                raise
        # The file can be opened for direct reads, and wants another alignment than a page's.
        set_direct(self._descriptor, on=False)
        self._direct = False
        return read_at(self._descriptor, buffer, start)

    def map(self, start: int, length: int) -> memoryview | None:
        """Map the file's pages; what is changed in them is the caller's alone."""
        if start < 0 or start + length > self.size:
            raise ends_early(self._url, self._key, self.size, start + length)
        return map_private(self._descriptor, start, length)
