"""What Linux has, and another system may lack, is asked for here, with what stands in for it there."""

from __future__ import annotations

import mmap
import os
import sys
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from lattice_addons._host import POSIX

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "FOLDERS_OPEN",
    "O_CLOEXEC",
    "O_DIRECT",
    "O_DIRECTORY",
    "O_NOCTTY",
    "O_NOFOLLOW",
    "O_NONBLOCK",
    "O_TMPFILE",
    "can_write",
    "duplicate",
    "fdatasync",
    "is_direct",
    "is_read_only",
    "link",
    "lock",
    "pread",
    "private_memory",
    "read_at",
    "set_direct",
    "set_rights",
    "sync_folder",
    "unlock",
    "write_at",
]

#: Whether a folder can be opened, so that what is in it is found past every link, and whatever its path becomes.
FOLDERS_OPEN = POSIX and os.open in os.supports_dir_fd
# Asked once, as it was when the program began: who watches a call has put one of his own in its place since.
_LINKS_STAY_LINKS = os.link in os.supports_follow_symlinks if hasattr(os, "link") else False
_IDS_COUNT = os.access in os.supports_effective_ids

# Flags of os.open; 0 where the system has no such thing. Windows would change the ends of lines, were it not told.
O_CLOEXEC: int = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOINHERIT", 0) | getattr(os, "O_BINARY", 0)
O_DIRECT: int = getattr(os, "O_DIRECT", 0)
O_DIRECTORY: int = getattr(os, "O_DIRECTORY", 0)
O_NOCTTY: int = getattr(os, "O_NOCTTY", 0)
O_NOFOLLOW: int = getattr(os, "O_NOFOLLOW", 0)
O_NONBLOCK: int = getattr(os, "O_NONBLOCK", 0)
O_TMPFILE: int = getattr(os, "O_TMPFILE", 0)

_moving = threading.Lock()
_LOCKED_AT = (
    2**31 - 2
)  # beyond what files have there: others can neither read nor write a byte that is locked

# -- files


def read_at(descriptor: int, buffer: memoryview, start: int) -> int:
    """Read into a buffer from a place in a file, by one call; give how many bytes that were."""
    if sys.platform != "win32" and hasattr(os, "preadv"):
        return os.preadv(descriptor, [buffer], start)
    data = pread(descriptor, len(buffer), start)
    buffer[: len(data)] = data
    return len(data)


def pread(descriptor: int, length: int, start: int) -> bytes:
    """Read from a place in a file, by one call."""
    if sys.platform != "win32" and hasattr(os, "pread"):
        return os.pread(descriptor, length, start)
    with _at(descriptor, start):
        return os.read(descriptor, length)


def write_at(descriptor: int, data: memoryview, start: int) -> int:
    """Write to a place in a file, by one call; give how many bytes it took."""
    if sys.platform != "win32" and hasattr(os, "pwrite"):
        return os.pwrite(descriptor, data, start)
    with _at(descriptor, start):
        return os.write(descriptor, data)


@contextmanager
def _at(descriptor: int, place: int) -> Iterator[None]:
    """Be at a place of a file for a block, where no call does both; it may be the program's file, too."""
    with _moving:
        before = os.lseek(descriptor, 0, os.SEEK_CUR)
        os.lseek(descriptor, place, os.SEEK_SET)
        try:
            yield
        finally:
            os.lseek(descriptor, before, os.SEEK_SET)


def fdatasync(descriptor: int) -> None:
    """Make the bytes of a file durable."""
    if sys.platform == "linux" and hasattr(os, "fdatasync"):
        os.fdatasync(descriptor)
    else:
        os.fsync(descriptor)


def sync_folder(path: str) -> None:
    """Make the names in a folder durable, where folders can be opened."""
    if not FOLDERS_OPEN:
        return
    folder = os.open(path, os.O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def duplicate(descriptor: int, lowest: int) -> int:
    """Give an open file another descriptor, which is no lower than this."""
    if sys.platform != "win32" and POSIX:
        import fcntl

        # By one call: no number that the program has left free for its own is taken for a moment.
        return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, lowest)
    lower: list[int] = []
    try:
        while (copy := os.dup(descriptor)) < lowest:
            lower.append(copy)
        return copy
    finally:
        for each in lower:
            os.close(each)


def link(source: str, target: str, *, folder: int | None = None) -> None:
    """Give a file, and not what a link leads to, a second name; both are names in the folder, if one is given."""
    if _LINKS_STAY_LINKS:
        os.link(source, target, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    else:
        os.link(source, target)


def set_rights(descriptor: int, rights: int) -> None:
    """Say who may read and write an open file, where the system tells owners from others."""
    if sys.platform != "win32" and hasattr(os, "fchmod"):
        os.fchmod(descriptor, rights)


def can_write(path: str) -> bool:
    """Say whether this process may make files in a folder."""
    return os.access(path, os.W_OK | os.X_OK, effective_ids=_IDS_COUNT)


def is_read_only(path: str) -> bool:
    """Say whether a folder is on a file system that nobody writes to."""
    if sys.platform != "win32" and hasattr(os, "statvfs"):
        return bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    return False


def is_direct(descriptor: int) -> bool:
    """Say whether a file is read and written past the system's cache."""
    if sys.platform != "win32" and O_DIRECT:
        import fcntl

        return bool(fcntl.fcntl(descriptor, fcntl.F_GETFL) & O_DIRECT)
    return False


def set_direct(descriptor: int, *, on: bool) -> None:
    """Have a file read and written past the system's cache, or through it; `OSError` where that cannot be."""
    if sys.platform != "win32" and O_DIRECT:
        import fcntl

        flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
        fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | O_DIRECT if on else flags & ~O_DIRECT)


def private_memory(size: int, *, large_pages: bool = False) -> mmap.mmap:
    """Give zeros in pages of their own, which a forked child has as they were; `OSError` where there is no room.

    Large pages lie in one piece: a disk writes them in few requests, where small ones may be scattered.
    """
    if sys.platform != "win32" and hasattr(mmap, "MAP_ANONYMOUS"):
        pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        if large_pages and hasattr(mmap, "MADV_HUGEPAGE"):
            # A kernel may be built without them, and small ones do.
            with suppress(OSError):
                pages.madvise(mmap.MADV_HUGEPAGE)
        return pages
    return mmap.mmap(-1, size)


# -- locks


def lock(descriptor: int, *, shared: bool = False, wait: bool = False) -> None:
    """Lock an open file until it is closed by all who have it, or the process ends.

    Raises:
        BlockingIOError: another one has it.
        OSError: the file system has no locks.
    """
    if sys.platform != "win32" and POSIX:
        import fcntl

        how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        fcntl.flock(descriptor, how if wait else how | fcntl.LOCK_NB)
        return
    # Windows locks bytes, and for one alone.
    msvcrt: Any = _module("msvcrt")
    while True:
        try:
            with _at(descriptor, _LOCKED_AT):
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            if not wait:
                raise BlockingIOError(error.errno, error.strerror) from None
        else:
            return


def unlock(descriptor: int) -> None:
    """Give up a lock, also where a forked child has the same descriptor."""
    if sys.platform != "win32" and POSIX:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_UN)
        return
    msvcrt: Any = _module("msvcrt")
    with _at(descriptor, _LOCKED_AT):
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)


def _module(name: str) -> object:
    """Import what only some systems have, and type checkers know on these alone."""
    from importlib import import_module

    return import_module(name)
