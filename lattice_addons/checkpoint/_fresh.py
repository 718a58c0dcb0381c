"""Memory for what is read comes from the system, page by page as it is filled."""

from __future__ import annotations

from lattice_addons._system import private_memory

__all__ = ["fresh"]

# From here on memory that the program used before would have to be cleared first. Large pages are not asked for:
# where memory is in pieces, as beside a full page cache, the system takes longer to find them than they save.
_LARGE = 1024 * 1024


def fresh(size: int) -> bytearray | memoryview:
    """Give writable memory of its own, all zeros."""
    if size < _LARGE:
        return bytearray(size)
    try:
        # Private: a forked child must not see what its parent changes.
        pages = private_memory(size)
    except (OSError, OverflowError) as error:
        raise MemoryError(f"no memory for {size} bytes") from error
    return memoryview(pages)
