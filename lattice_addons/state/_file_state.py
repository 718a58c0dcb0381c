"""All that it takes to give an open file back: path, mode, position, and contents."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from lattice_addons.encoding import Encoder, register_encoder

from ._file_contents import KeptContents

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lattice_addons.encoding import Stream


@dataclass(frozen=True)
class FileState:
    """An open file at one instant."""

    __module__ = "lattice_addons.state"

    path: str
    """Absolute, as it was when the program gave the file."""
    link: str | None
    """The file itself, where ``path`` is a symbolic link to it."""
    mode: str
    position: int
    """What ``tell()`` gave; for a text file a number that only ``seek()`` understands."""
    encoding: str | None
    errors: str | None
    newline: str | None
    buffering: int
    """-1, or 0 for an unbuffered binary file, or 1 for a line-buffered text file."""
    write_through: bool
    permissions: int
    identity: tuple[int, int, int]
    """Device, inode, and the inode's generation (0 where the file system has none)."""
    contents: Stream

    @property
    def size(self) -> int:
        """How many bytes there were."""
        return self.contents.size

    @property
    def read_only(self) -> bool:
        """Whether the program only read the file."""
        return not set(self.mode) & set("wax+")


class FileEncoder(Encoder):
    """A `FileState` is a header that people can read, and the contents as a buffer."""

    name = "file"
    types = (FileState,)
    # Reading one runs nothing, but giving the file back writes where the stored bytes say: anywhere, from a
    # store that is not trusted.
    safe = False

    def encode(self, value: object) -> tuple[dict[str, Any], list[Stream]]:
        """Give header and contents."""
        assert isinstance(value, FileState)  # noqa: S101 - what `types` promises
        header = {field.name: getattr(value, field.name) for field in fields(value)}
        del header["contents"]
        header["identity"] = list(value.identity)
        for name in ("path", "link"):
            header[name] = _as_text(header[name])
        return header, [value.contents]

    def decode(self, header: Mapping[str, Any], buffers: Sequence[bytearray | memoryview]) -> FileState:
        """Make it again, with the contents in memory."""
        named = dict(header)
        named["identity"] = tuple(named["identity"])
        for name in ("path", "link"):
            named[name] = _as_path(named[name])
        contents = KeptContents(buffers[0] if buffers else b"")
        return FileState(**named, contents=contents)


def _as_text(path: str | None) -> str | list[int] | None:
    # A file name that is no text has lone surrogates, which JSON cannot say: it is stored as its bytes.
    if path is None or path.isascii() or os.fsencode(path).decode("utf-8", "replace") == path:
        return path
    return list(os.fsencode(path))


def _as_path(stored: str | list[int] | None) -> str | None:
    return os.fsdecode(bytes(stored)) if isinstance(stored, list) else stored


register_encoder(FileEncoder())
