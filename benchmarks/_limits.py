"""What this machine can do at best: copies by two threads, and reads and writes past the page cache."""

from __future__ import annotations

import mmap
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from benchmarks._state import PIECE, Array, Arrays

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Aligned", "Copies", "direct_io", "read_direct", "read_plain", "write_bounced", "write_direct"]

THREADS = 2
_pool = ThreadPoolExecutor(THREADS)


class Aligned:
    """Page-aligned memory that is resident and holds the bytes of these arrays, one after the other."""

    def __init__(self, arrays: Arrays) -> None:
        pages = _in_one_piece(len(arrays) * PIECE)
        self.memory = memoryview(pages)
        for piece, array in zip(self.pieces(), arrays, strict=True):
            np.frombuffer(piece, np.float32)[:] = array

    def pieces(self) -> list[memoryview]:
        """Give the memory in pieces of 4 MiB."""
        return [self.memory[at : at + PIECE] for at in range(0, len(self.memory), PIECE)]


class Copies:
    """Resident memory into which arrays are copied, by two threads."""

    def __init__(self, arrays: Arrays) -> None:
        self.arrays = arrays
        self.targets = [array.copy() for array in arrays]

    def copy(self) -> None:
        """Copy all of them."""
        list(_pool.map(self._share, range(THREADS)))

    def _share(self, which: int) -> None:
        # Each thread takes its part of every array: so both are busy when there is one array, too.
        for target, array in zip(self.targets, self.arrays, strict=True):
            part = slice(len(array) * which // THREADS, len(array) * (which + 1) // THREADS)
            np.copyto(target[part], array[part])


def direct_io(folder: Path) -> bool:
    """Say whether this file system has direct I/O."""
    path = folder / "direct"
    try:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_DIRECT, 0o600))
    except OSError:
        return False
    finally:
        path.unlink(missing_ok=True)
    return True


def write_direct(path: Path, aligned: Aligned) -> None:
    """Write aligned memory to a new file, past the page cache, and have it on disk."""
    file = _opened(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    try:
        for number, piece in enumerate(aligned.pieces()):
            _whole(os.pwrite(file, piece, number * PIECE))
        os.fsync(file)
    finally:
        os.close(file)


def write_bounced(path: Path, arrays: Arrays, bounces: Aligned) -> None:
    """Write the arrays by two threads, each through a piece of aligned memory, and have them on disk."""
    file = _opened(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)

    def share(which: int) -> None:
        bounce = bounces.pieces()[which]
        as_array = np.frombuffer(bounce, np.float32)
        for number in range(which, len(arrays), THREADS):
            np.copyto(as_array, arrays[number])
            _whole(os.pwrite(file, bounce, number * PIECE))

    try:
        list(_pool.map(share, range(THREADS)))
        os.fsync(file)
    finally:
        os.close(file)


def read_direct(path: Path, aligned: Aligned) -> None:
    """Fill resident aligned memory from a file, past the page cache."""
    file = _opened(path, os.O_RDONLY)
    try:
        for number, piece in enumerate(aligned.pieces()):
            _whole(os.preadv(file, [piece], number * PIECE))
    finally:
        os.close(file)


def read_plain(path: Path, count: int) -> Arrays:
    """Read arrays one after the other into fresh memory, as a program would that has its own format."""
    arrays: list[Array] = []
    with path.open("rb", buffering=0) as file:
        for _ in range(count):
            array = np.empty(PIECE // 4, np.float32)
            _whole(file.readinto(memoryview(array).cast("B")))
            arrays.append(array)
    return arrays


def _in_one_piece(size: int) -> mmap.mmap:
    """Give memory in large pages, where the system has them: a disk takes scattered small ones at half the speed."""
    if not hasattr(mmap, "MADV_HUGEPAGE"):
        return mmap.mmap(-1, size)
    pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with suppress(OSError):
        pages.madvise(mmap.MADV_HUGEPAGE)
    return pages


def _opened(path: Path, flags: int) -> int:
    try:
        return os.open(path, flags | os.O_DIRECT, 0o600)
    except OSError:
        # This file system has none: what remains is buffered, with the fsync at the end.
        return os.open(path, flags & ~os.O_EXCL, 0o600)


def _whole(count: int | None) -> None:
    if count != PIECE:
        raise OSError(f"{count} bytes in place of {PIECE}")
