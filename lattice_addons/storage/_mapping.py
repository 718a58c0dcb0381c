"""A stretch of a file appears in memory as it is; what is changed there stays there."""

from __future__ import annotations

import mmap
import sys
from typing import Any

__all__ = ["map_private"]

# A mapping begins at a page's start in the file.
_MAPPABLE = mmap.ALLOCATIONGRANULARITY
_libc: list[Any] = []


def map_private(descriptor: int, start: int, length: int) -> memoryview | None:
    """Map a stretch of a file copy-on-write, without keeping a descriptor; None where that cannot be."""
    if sys.platform == "win32" or length <= 0 or start % _MAPPABLE:
        return None
    try:
        import ctypes

        # Python's own mapping of a file keeps a descriptor for each: of an anonymous one the pages are replaced,
        # and it still gives the addresses back when the last view of it is gone.
        pages = mmap.mmap(-1, length, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        first = ctypes.c_char.from_buffer(pages)
        address = ctypes.addressof(first)
        del first
        if not _replace_pages(address, length, descriptor, start):
            return None
    except (ImportError, AttributeError, OSError):
        # No ctypes, not such a system, or no more mappings: there is another way, to read.
        return None
    return memoryview(pages)


def _replace_pages(address: int, length: int, descriptor: int, start: int) -> bool:
    if sys.platform == "win32":
        return False
    import ctypes

    fixed = 0x10
    got = _system().mmap(
        ctypes.c_void_p(address),
        ctypes.c_size_t(length),
        ctypes.c_int(mmap.PROT_READ | mmap.PROT_WRITE),
        ctypes.c_int(mmap.MAP_PRIVATE | fixed),
        ctypes.c_int(descriptor),
        ctypes.c_int64(start),
    )
    return bool(got == address)


def _system() -> Any:  # noqa: ANN401 - ctypes has no types for what it finds
    """Give the C library, whose calls let other threads run meanwhile."""
    if not _libc:
        import ctypes

        library = ctypes.CDLL(None, use_errno=True)
        library.mmap.restype = ctypes.c_void_p
        _libc.append(library)
    return _libc[0]
