"""A file is brought back in place where that loses nothing; whatever else has its name is moved aside."""

from __future__ import annotations

import contextlib
import io
import itertools
import logging
import os
import stat
from typing import TYPE_CHECKING

from lattice_addons._system import O_CLOEXEC, O_NOFOLLOW, O_NONBLOCK, link, set_rights
from lattice_addons.errors import FileStateError

from ._file_contents import read_at, write_all
from ._file_facts import identify

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._file_facts import OpenFile
    from ._file_state import FileState

log = logging.getLogger("lattice_addons.state")

# Non-blocking, so that a pipe in the file's place does not hang the program.
_FLAGS = O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK


def reopen(state: FileState) -> OpenFile:
    """Bring the file on disk to the stored contents, and open it as it was.

    It may be called again after it was interrupted anywhere: what is half written is a beginning.

    Raises:
        FileStateError: the file cannot be written or opened; or it was only read, and has other contents now.
    """
    try:
        place = _place(state)
        _put_back(place, state)
        return _open(place, state)
    except FileStateError:
        raise
    except (OSError, ValueError, LookupError) as error:
        reason = f"{type(error).__name__}: {error}"
        message = f"{state.path!r} cannot be given back ({reason}); its contents stay stored"
        raise FileStateError(message, path=state.path, errno=getattr(error, "errno", None)) from error


def _place(state: FileState) -> str:
    """Give the path of the file itself; links are followed only where they led when the file was stored."""
    if not os.path.islink(state.path):
        return state.path
    real = os.path.realpath(state.path)
    if real == state.link:
        return real
    _move_aside(state.path, f"it is a symbolic link to {real!r} now")
    return state.path


def _put_back(place: str, state: FileState) -> None:
    try:
        descriptor = os.open(place, os.O_RDONLY | _FLAGS)
    except FileNotFoundError:
        _write_anew(place, state)
        return
    with _closing(descriptor):
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            message = f"{place!r} is no regular file now; move it away to have the stored one written there"
            raise FileStateError(message, path=state.path)
        same = _count_same(descriptor, state)
        size = os.fstat(descriptor).st_size
        if same == size:
            if size < state.size:
                with _writing(place, descriptor) as writer:
                    _write(writer, state, size)
            return
        begins_alike = same == state.size
        if state.read_only and begins_alike:
            return  # it has grown, and what was read of it is as it was
        if state.read_only:
            raise _changed(state)
        if begins_alike and identify(descriptor) == state.identity:
            # The file that we wrote, and what came after the checkpoint: the program writes that again.
            with _writing(place, descriptor) as writer:
                os.ftruncate(writer, state.size)
            return
    _move_aside(place, "it is neither the stored file nor a beginning of it")
    _write_anew(place, state)


def _count_same(descriptor: int, state: FileState) -> int:
    """Count for how many bytes, in whole pieces, the file begins like the stored contents.

    The count is the file's size or the stored size only where all of it is alike.
    """
    start = 0
    for piece in state.contents.pieces():
        there = read_at(descriptor, start, len(piece))
        if there != piece[: len(there)]:
            return -1
        start += len(there)
        if len(there) < len(piece):
            break
    return start


def _write_anew(place: str, state: FileState) -> None:
    os.makedirs(os.path.dirname(place), exist_ok=True)
    # Nobody else's until its permissions are set at the end, whatever the umask.
    with _closing(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS, 0o600)) as writer:
        _write(writer, state, 0)
        set_rights(writer, state.permissions)


def _write(descriptor: int, state: FileState, start: int) -> None:
    """Write the contents from ``start`` on."""
    os.lseek(descriptor, start, os.SEEK_SET)
    end = 0
    for piece in state.contents.pieces():
        begin, end = end, end + len(piece)
        if end > start:
            write_all(descriptor, piece[max(0, start - begin) :])


def _move_aside(place: str, why: str) -> None:
    for number in itertools.count(1):
        aside = f"{place}.aside-{number}"
        try:
            # A link and not a rename, which would replace a file that has this name.
            link(place, aside)
        except FileExistsError:
            continue
        except OSError:
            # A file system without hard links.
            if os.path.lexists(aside):
                continue
            os.rename(place, aside)
        else:
            os.unlink(place)
        log.warning("%r was moved to %r before the stored file was put back: %s", place, aside, why)
        return


def _open(place: str, state: FileState) -> OpenFile:
    def opener(_path: str, flags: int) -> int:
        # What "w" would empty and "x" refuse is what has just been put back.
        return os.open(place, flags & ~(os.O_CREAT | os.O_EXCL | os.O_TRUNC) | O_NOFOLLOW | O_CLOEXEC)

    file = open(  # noqa: SIM115 - it is the caller's
        state.path, state.mode, state.buffering, state.encoding, state.errors, state.newline, opener=opener
    )
    try:
        if state.write_through and isinstance(file, io.TextIOWrapper):
            file.reconfigure(write_through=True)
        file.seek(state.position)
        if not state.read_only and stat.S_IMODE(os.fstat(file.fileno()).st_mode) != state.permissions:
            set_rights(file.fileno(), state.permissions)
    except BaseException:  # Ctrl-C too: what nobody gets must not stay open
        file.close()
        raise
    return file  # type: ignore[return-value]  # open() gives no other kinds


def _changed(state: FileState) -> FileStateError:
    message = (
        f"{state.path!r} has other contents than when it was stored, and was opened only to be read: it is "
        "left as it is. Move it away to have the stored contents written back, or open it and update() the "
        "slot to go on with the new ones."
    )
    return FileStateError(message, path=state.path)


@contextlib.contextmanager
def _writing(place: str, descriptor: int) -> Iterator[int]:
    """Open the file of this descriptor to be written."""
    with _closing(os.open(place, os.O_WRONLY | _FLAGS)) as writer:
        if not os.path.samestat(os.fstat(writer), os.fstat(descriptor)):
            message = f"{place!r} was replaced while it was given back; try again"
            raise FileStateError(message, path=place)
        yield writer


@contextlib.contextmanager
def _closing(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)
