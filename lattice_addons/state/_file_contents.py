"""The contents of a file are read while they are stored, and are never all in memory."""

from __future__ import annotations

import os
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from lattice_addons._system import O_CLOEXEC, O_TMPFILE, pread
from lattice_addons.encoding import Stream
from lattice_addons.errors import FileStateError

if TYPE_CHECKING:
    from collections.abc import Iterator

PIECE: Final = 4 << 20
MOST_IN_MEMORY: Final = 64 << 20


class KeptContents(Stream):
    """Contents in memory."""

    def __init__(self, data: bytes | bytearray | memoryview) -> None:
        self._data = memoryview(data).cast("B")
        self.size = len(self._data)

    def pieces(self) -> Iterator[memoryview]:
        """Give the contents, piece by piece."""
        return (self._data[start : start + PIECE] for start in range(0, self.size, PIECE))


class DiskContents(Stream):
    """The first ``size`` bytes of a file, read while they are stored; it owns the descriptor.

    ``fixed`` says that these bytes stay as they are while the file is open: it is only read or appended to.
    """

    def __init__(self, descriptor: int, size: int, path: str, *, fixed: bool) -> None:
        self.size = size
        self._descriptor = descriptor
        self._path = path
        self._fixed = fixed
        # Not at exit: weakref would close it before the last save, and the system closes it anyway.
        weakref.finalize(self, os.close, descriptor).atexit = False

    def pieces(self) -> Iterator[bytes]:
        """Read the contents, piece by piece.

        Raises:
            FileStateError: the file has become shorter meanwhile, or cannot be read.
        """
        for start in range(0, self.size, PIECE):
            length = min(PIECE, self.size - start)
            # By position: neither the program's place in the file nor a concurrent reader is disturbed.
            piece = read_at(self._descriptor, start, length)
            if len(piece) < length:
                message = (
                    f"{self._path!r} became shorter while it was stored: {start + len(piece)} bytes "
                    f"instead of {self.size}; truncate it inside `with group.atomic():`"
                )
                raise FileStateError(message, path=self._path)
            yield piece

    def frozen(self) -> Stream:
        """Give the same contents so that the program may write to the file before they are stored."""
        if self._fixed:
            return self
        if self.size <= MOST_IN_MEMORY:
            return KeptContents(b"".join(self.pieces()))
        # Too much for memory: a file without a name is gone with this process, however that ends.
        copy = _open_nameless(os.path.dirname(self._path) or ".")
        try:
            for piece in self.pieces():
                write_all(copy, piece)
        except BaseException:
            os.close(copy)
            raise
        return DiskContents(copy, self.size, self._path, fixed=True)


def _open_nameless(folder: str) -> int:
    """Open a new file without a name; by hand, for tempfile is a large import for who keeps no files."""
    if O_TMPFILE:
        with suppress(OSError):  # not every file system has these; what else is wrong is met again
            return os.open(folder, os.O_RDWR | O_TMPFILE | O_CLOEXEC, 0o600)
    path = os.path.join(folder, f".{os.urandom(8).hex()}")
    # Windows removes it when it is closed, and not before.
    gone_when_closed = getattr(os, "O_TEMPORARY", 0)
    copy = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | O_CLOEXEC | gone_when_closed, 0o600)
    if not gone_when_closed:
        os.unlink(path)
    return copy


def read_at(descriptor: int, start: int, length: int) -> bytes:
    """Read ``length`` bytes from ``start`` on; fewer only where the file ends."""
    piece = pread(descriptor, length, start)
    while len(piece) < length and (more := pread(descriptor, length - len(piece), start + len(piece))):
        piece += more
    return piece


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write all of the data; a single ``write`` may stop short on a full disk or a signal."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
