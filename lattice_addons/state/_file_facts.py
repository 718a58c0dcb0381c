"""What can be seen of an open file: whether it can be kept at all, where it is, and how it was opened."""

from __future__ import annotations

import gc
import io
import os
import stat
import struct
import sys
from contextlib import suppress
from typing import Final, TypeAlias, cast

from lattice_addons.errors import FileStateError

OpenFile: TypeAlias = io.TextIOWrapper | io.BufferedReader | io.BufferedWriter | io.BufferedRandom | io.FileIO

_LIKE_FILES: Final = frozenset({"_io", "bz2", "gzip", "lzma", "socket", "tempfile", "zipfile"})
_BUFFERED: Final = (io.BufferedReader, io.BufferedWriter, io.BufferedRandom)
_NEWLINES: Final = ("", "\n", "\r", "\r\n")
# _IOR('v', 1, long) of linux/fs.h: a number that an inode gets anew when it is used for another file.
_FS_IOC_GETVERSION: Final = 0x80087601


def is_file(value: object) -> bool:
    """Tell whether `StateFileManager` is the one to keep this value, or to say why it cannot be kept."""
    if isinstance(value, (io.StringIO, io.BytesIO)):
        return False  # they live in memory and are stored like other values
    return may_be_file(type(value)) and hasattr(value, "fileno")


def may_be_file(kind: type) -> bool:
    """Tell whether values of a type may be files."""
    return kind.__module__.partition(".")[0] in _LIKE_FILES


def checked(file: object) -> OpenFile:
    """Give the file back, and refuse everything but an open, regular file on disk, with the reason.

    Raises:
        FileStateError: it is something else.
    """
    raw = _raw_of(file)
    if raw is None:
        raise _refusal(file, _why_not(file))
    if raw.closed:
        raise _refusal(file, "it is closed")
    descriptor = raw.fileno()
    if descriptor <= 2 and not _has_path(raw):  # noqa: PLR2004 - a program without those may get their numbers
        raise _refusal(file, "it is a standard stream, which belongs to whoever started the program")
    kind = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(kind):
        what = "terminal" if os.isatty(descriptor) else _KINDS.get(stat.S_IFMT(kind), "special file")
        raise _refusal(file, f"it is a {what}, which has no contents that could be put back")
    return cast("OpenFile", file)


def locate(file: OpenFile, path: str | None) -> str:
    """Give an absolute path that leads to the open file: the one it was opened by, else the one it has now.

    Raises:
        FileStateError: it was deleted, or another file has taken its place.
    """
    descriptor = file.fileno()
    here = os.fstat(descriptor)
    if path is None:
        name = _raw_name(file)
        path = os.path.abspath(os.fsdecode(name)) if isinstance(name, (str, bytes, os.PathLike)) else None
    if path is not None and _leads_to(path, here):
        return path
    try:
        now = os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        now = None
    if now is not None and _leads_to(now, here):
        return now
    reason = f"{path!r} was deleted, or is another file now" if path else "it has no name: it was deleted"
    raise _refusal(file, f"{reason}; keep a file that has a name of its own")


def identify(descriptor: int) -> tuple[int, int, int]:
    """Give device, inode and generation of an open file."""
    status = os.fstat(descriptor)
    generation = 0
    if sys.platform == "linux":
        with suppress(OSError, ImportError):
            import fcntl

            (generation,) = struct.unpack("i4x", fcntl.ioctl(descriptor, _FS_IOC_GETVERSION, bytes(8)))
    return status.st_dev, status.st_ino, generation


def appends(file: OpenFile) -> bool:
    """Say whether whatever is written goes to the end of the file."""
    if sys.platform != "win32":
        with suppress(ImportError):
            import fcntl

            return bool(fcntl.fcntl(file.fileno(), fcntl.F_GETFL) & os.O_APPEND)
    return "a" in mode_of(file)


def path_of(descriptor: int) -> str | None:
    """Give a path that leads to an open file whatever becomes of its name, where the system has such."""
    path = f"/proc/self/fd/{descriptor}"
    return path if os.path.exists(path) else None


def mode_of(file: OpenFile) -> str:
    """Give the mode as it was given to open()."""
    mode = getattr(file, "mode", None)
    if isinstance(mode, str) and set(mode) <= set("rwaxbt+"):
        return mode
    # Only open() gives a text file a mode; one that was wrapped by hand has that of its buffer.
    return str(getattr(file, "buffer", file).mode).replace("b", "")


def newline_of(file: io.TextIOWrapper) -> str | None:
    """Give the ``newline`` that the flushed file was opened with, which no attribute tells.

    What the file refers to has, in this order: encoding, decoder, newline if one was given, the text that was
    decoded last if there is any, errors. Where those two could be confused, seeking drops the text.
    """
    found = _texts_of(file)
    if any(isinstance(item, io.IncrementalNewlineDecoder) for item in gc.get_referents(file)):
        # The decoder of universal newlines: none was given, or the empty one.
        if found == [""]:
            if file.closed or file.seek(file.tell()) >= 1 << 64:
                return None  # it may as well be the text, empty at the end of the file
            found = _texts_of(file)
        return "" if found[:1] == [""] else None
    return found[0] if found and found[0] in _NEWLINES else None


def _texts_of(file: io.TextIOWrapper) -> list[str]:
    texts = [item for item in gc.get_referents(file) if isinstance(item, str)]
    known = len(texts) > 1 and texts[0] == file.encoding and texts[-1] == file.errors
    # In another order than the one we know: rather nothing than something wrong.
    return texts[1:-1] if known else []


def _raw_of(file: object) -> io.FileIO | None:
    # Exact types: an instance of a subclass would come back as something else.
    if type(file) is io.TextIOWrapper:
        file = _attribute(file, "buffer")
    if type(file) in _BUFFERED:
        file = _attribute(file, "raw")
    return file if type(file) is io.FileIO else None


def _raw_name(file: OpenFile) -> object:
    raw = _raw_of(file)
    return raw.name if raw is not None else None


def _has_path(raw: io.FileIO) -> bool:
    return not isinstance(raw.name, int) and _leads_to(os.fsdecode(raw.name), os.fstat(raw.fileno()))


def _attribute(file: object, name: str) -> object:
    try:
        return getattr(file, name, None)
    except ValueError:
        return None  # a detached text file has none of its buffer's attributes


def _leads_to(path: str, here: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.stat(path), here)
    except (OSError, ValueError):
        return False


_KINDS: Final = {
    stat.S_IFIFO: "pipe",
    stat.S_IFSOCK: "socket",
    stat.S_IFDIR: "folder",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
}


def _why_not(file: object) -> str:
    if isinstance(file, (io.StringIO, io.BytesIO)):
        return "it is in memory: StateManager keeps it like any other value"
    kinds = [type(item) for item in (file, _attribute(file, "buffer"), _attribute(file, "raw"))]
    modules = {kind.__module__.partition(".")[0] for kind in kinds}
    if modules & {"bz2", "gzip", "lzma", "zipfile"}:
        return "it is compressed, and cannot be continued in its middle: keep a plain file, compress it later"
    if "tempfile" in modules:
        return "it is a temporary file, which is gone with the program: open() one with a name of its own"
    if "socket" in modules:
        return "it is a connection, which cannot be stored: store what is needed to connect again"
    return "it is none that open() gives; give open()'s result itself"


def _refusal(file: object, reason: str) -> FileStateError:
    name = _attribute(file, "name")
    shown = f" {os.fsdecode(name)!r}" if isinstance(name, (str, bytes)) else ""
    message = f"StateFileManager cannot keep this {type(file).__name__}{shown}: {reason}"
    return FileStateError(message, path=name if isinstance(name, str) else "")
