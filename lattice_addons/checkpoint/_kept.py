"""Memory for copies is kept and used again: fresh memory is slow, and what disks write directly lies in pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lattice_addons._system import private_memory
from lattice_addons.checkpoint._model import CHUNK

if TYPE_CHECKING:
    import mmap

__all__ = ["KEPT", "Block", "Kept", "budget"]


# A save that waits for the disk needs no more of them. Many would be dear: where memory is in pieces, the system has to
# move others' first.
_LARGE: Final = 16


class Block:
    """One chunk's worth of page-aligned memory; it goes back to where it came from with its last reference."""

    __slots__ = ("_home", "_large", "_pages", "view")

    def __init__(self, home: Kept, pages: mmap.mmap, *, large: bool) -> None:
        self._home = home
        self._pages = pages
        self._large = large
        self.view = memoryview(pages)

    def __del__(self) -> None:
        """Go back, so that the next copy finds memory that is there already."""
        self._home.take_back(self._pages, large=self._large)


class Kept:
    """The blocks of this process that are in nobody's hands; also a signal handler may ask for one.

    The first ones lie in large pages: a disk takes those in one request, and scattered small ones in several.
    """

    def __init__(self) -> None:
        # A list's append, insert and pop are one step each. Those in large pages are at its end, and come first.
        self._free: list[tuple[mmap.mmap, bool]] = []
        self._large = 0

    def block(self) -> Block:
        """Give a block, an old one if there is one; ``MemoryError`` when the system has no memory."""
        try:
            pages, large = self._free.pop()
            return Block(self, pages, large=large)
        except IndexError:
            pass
        large = self._large < _LARGE
        try:
            # Private: a forked child has these blocks, too, and must not write into its parent's.
            pages = private_memory(CHUNK, large_pages=large)
        except OSError as error:
            raise MemoryError(f"no memory for a buffer of {CHUNK} bytes") from error
        self._large += large
        return Block(self, pages, large=large)

    def take_back(self, pages: mmap.mmap, *, large: bool) -> None:
        """Keep a block that was let go."""
        self._free.insert(len(self._free) if large else 0, (pages, large))

    def trim(self, most: int) -> None:
        """Give blocks beyond so many bytes back to the system."""
        for _ in range(len(self._free) - most // CHUNK):
            try:
                pages, large = self._free.pop(0)
                pages.close()
            except (IndexError, BufferError):
                return
            self._large -= large


#: Of the whole process: groups take turns.
KEPT: Final = Kept()


def budget(limit: int | None) -> int:
    """Give how many bytes copies may take: the limit, or a quarter of the memory that is available."""
    if limit is not None:
        return limit
    import psutil

    available = int(psutil.virtual_memory().available)
    return min(available, _left_to_group(available)) // 4


def _left_to_group(otherwise: int) -> int:
    """Give what the control group of this process may take yet; containers have less than their machine."""
    try:
        with open("/proc/self/cgroup", encoding="utf-8") as file:
            path = next(line.rstrip("\n").partition("::")[2] for line in file if line.startswith("0::"))
        return _left_in(f"/sys/fs/cgroup{path}")
    except (OSError, StopIteration, ValueError):
        # No such group, or no limit ("max").
        return otherwise


def _left_in(group: str) -> int:
    most, used = (_number(f"{group}/memory.{name}") for name in ("max", "current"))
    with open(f"{group}/memory.stat", encoding="ascii") as file:
        # Of what is kept of files the system gives back as much as is asked for: else who reads much had nothing left.
        files = next(int(line.split()[1]) for line in file if line.startswith("inactive_file "))
    return max(most - used + files, 0)


def _number(path: str) -> int:
    with open(path, encoding="ascii") as file:
        return int(file.read())
