"""Memory for what is read comes from the system in large pages, and not before it is filled."""

from __future__ import annotations

import mmap
from contextlib import suppress

__all__ = ["fresh"]

# From here on the first touch of small pages, one by one, would take longer than the reading.
_LARGE = 1024 * 1024


def fresh(size: int) -> bytearray | memoryview:
    """Give writable memory of its own, all zeros."""
    if size < _LARGE:
        return bytearray(size)
    try:
        # Private: a forked child must not see what its parent changes.
        pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except (OSError, OverflowError) as error:
        raise MemoryError(f"no memory for {size} bytes") from error
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with suppress(OSError):  # a system that has none
            pages.madvise(mmap.MADV_HUGEPAGE)
    return memoryview(pages)
