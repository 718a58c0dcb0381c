"""A part of the journal is a file with one writer: lines are appended whole, or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from lattice_addons._system import O_CLOEXEC, fdatasync, sync_folder
from lattice_addons.errors import StoreError

from ._record import AT, beginning, from_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

__all__ = ["Part", "lines_of", "sync", "sync_folder", "told_by"]


def _ignored(_line: bytes) -> None:
    """Take no note of a damaged line: whoever reads the journal does."""


class Part:
    """A new file, or one whose writer has ended, open for appending."""

    def __init__(self, path: str) -> None:
        self.path = path
        with _told("open", path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | O_CLOEXEC, 0o600)
            self._end = os.fstat(self._descriptor).st_size

    def append(self, lines: bytes) -> None:
        """Write lines, which a killed process has then told all the same; `sync` lets them outlive the machine."""
        view = memoryview(lines)
        with _told("write", self.path):
            try:
                done = 0
                while done < len(view):
                    done += os.write(self._descriptor, view[done:])
            except BaseException:
                # What is not whole must not stay: on a full disk lines follow it, once there is room again.
                with suppress(OSError):
                    os.ftruncate(self._descriptor, self._end)
                raise
            self._end += done

    def sync(self) -> None:
        """Make what was appended durable."""
        with _told("write", self.path):
            fdatasync(self._descriptor)

    def close(self) -> None:
        """Append no more; a second time is fine."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def sync(path: str) -> None:
    """Make what another process has appended to a part durable."""
    with _told("write", path):
        descriptor = os.open(path, os.O_RDWR | O_CLOEXEC)
        try:
            fdatasync(descriptor)
        finally:
            os.close(descriptor)


def lines_of(path: str, start: int = 0) -> Iterator[bytes]:
    """Give the lines of a part from a place on."""
    with _told("read", path), open(path, "rb") as file:
        file.seek(start)
        yield from file


def told_by(
    lines: Iterable[bytes],
    kind: str | None = None,
    read: Callable[[bytes], tuple[str, Any] | None] = from_line,
    damaged: Callable[[bytes], None] = _ignored,
) -> Iterator[tuple[str, Any]]:
    """Give what lines tell, or those of one kind; one that is torn, as by a killed writer, tells nothing."""
    wanted = b"" if kind is None else beginning(kind)
    for line in lines:
        # Most lines are of no interest to who asks for one kind; they need not be read to see that.
        if not line.startswith(wanted, AT):
            continue
        told = read(line)
        if told is not None:
            yield told
        elif line.endswith(b"\n"):
            damaged(line)


class _told:  # noqa: N801 - used as a statement
    """Says what could not be done with which file."""

    def __init__(self, verb: str, path: str) -> None:
        self._verb, self._path = verb, path

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """Turn what the system says into what a user can act on."""
        if isinstance(error, OSError) and not isinstance(error, StoreError):
            message = (
                f"cannot {self._verb} the journal {self._path}: {error.strerror}; "
                "what it says already is kept: make room, or see to the rights, and run again to carry on"
            )
            raise StoreError(message, url=self._path, errno=error.errno) from error
