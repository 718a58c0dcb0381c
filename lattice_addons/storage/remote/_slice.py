"""Part of an open file as a body that an SDK reads: no copy of it is ever whole in memory."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

from lattice_addons._system import pread

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Slice"]


class Slice(io.RawIOBase):
    """Reads a range of a file by its descriptor, which stays open, and says each time that something moved."""

    def __init__(self, descriptor: int, start: int, length: int, moved: Callable[[], None]) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._start = start
        self._length = length
        self._moved = moved
        self._at = 0

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tell that one can go back, as an SDK does after it has made the check sum."""
        return True

    def tell(self) -> int:
        """Give the place in the range."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place in the range."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._length}[whence]
        self._at = max(base + offset, 0)
        return self._at

    def read(self, size: int = -1) -> bytes:
        """Give the next bytes, none at the end of the range."""
        left = max(self._length - self._at, 0)
        data = pread(self._descriptor, left if size < 0 else min(size, left), self._start + self._at)
        self._at += len(data)
        self._moved()
        return data

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill a buffer with the next bytes."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
