"""Reading and writing whole byte ranges on descriptors that are safe to have."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TypeAlias

from lattice_addons._system import (
    FOLDERS_OPEN,
    O_CLOEXEC,
    O_DIRECT,
    O_DIRECTORY,
    O_NOCTTY,
    O_NOFOLLOW,
    O_NONBLOCK,
    read_at,
    set_direct,
    set_rights,
    write_at,
)
from lattice_addons.storage._held import hold_descriptor
from lattice_addons.storage._keys import temporary_name
from lattice_addons.storage._process import above_standard, with_spare

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lattice_addons.storage._held import Held
    from lattice_addons.storage._store import Bytes

__all__ = [
    "Folder",
    "close",
    "facts",
    "make_folder",
    "names",
    "new_file",
    "open_descriptor",
    "open_file",
    "open_folder",
    "open_to_read",
    "owner_only",
    "read_into",
    "remove",
    "remove_folder",
    "same_file",
    "sync_folder",
    "temporary_file",
    "write_all",
    "write_directly",
    "write_through_memory",
]

# An open folder: its descriptor; its path on a system that opens none.
Folder: TypeAlias = int | str

# One call into the system, short enough that a signal's handler need not wait for it to end.
_PIECE = 16 << 20
_OWNER_ONLY = 0o600
_FOLDER = os.O_RDONLY | O_DIRECTORY
# Folders that cannot be synchronised say so with these; what they hold is then as durable as they make it.
_NO_SYNC = (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS)


def open_descriptor(path: str, flags: int, *, folder: Folder | None = None) -> int:
    """Open a file, closed for programs we start, and never as one of the three standard streams."""
    path, start = (path, None) if folder is None else _within(folder, path)
    return above_standard(with_spare(os.open, path, flags | O_CLOEXEC | O_NOCTTY, _OWNER_ONLY, dir_fd=start))


def open_folder(path: str, *, below: Folder | None = None) -> Folder:
    """Open a folder; one ``below`` another is no link."""
    if FOLDERS_OPEN:
        return open_descriptor(path, _FOLDER if below is None else _FOLDER | O_NOFOLLOW, folder=below)
    place, start = (path, None) if below is None else _within(below, path)
    if not stat.S_ISDIR(os.stat(place, dir_fd=start, follow_symlinks=below is None).st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    return place


def make_folder(folder: Folder, name: str, rights: int) -> None:
    """Make a folder in another one."""
    path, start = _within(folder, name)
    os.mkdir(path, rights, dir_fd=start)


def remove_folder(folder: Folder, name: str) -> None:
    """Remove an empty folder in another one."""
    path, start = _within(folder, name)
    os.rmdir(path, dir_fd=start)


def _within(folder: Folder, name: str) -> tuple[str, int | None]:
    """Say where a name in a folder is: the path, and the descriptor from which it leads there."""
    return (name, folder) if isinstance(folder, int) else (os.path.join(folder, name), None)


def open_file(folder: Folder, name: str, flags: int = os.O_RDONLY) -> int:
    """Open an existing regular file, and nothing else: no link is followed, no pipe is waited for."""
    descriptor = open_descriptor(name, flags | O_NOFOLLOW | O_NONBLOCK, folder=folder)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        code = errno.EISDIR if stat.S_ISDIR(mode) else errno.ELOOP
        raise OSError(code, "not a regular file")
    return descriptor


def open_to_read(folder: Folder, name: str, *, direct: bool) -> int:
    """Open an existing regular file, past the system's cache where that is wished for and can be."""
    if direct and O_DIRECT:
        try:
            return open_file(folder, name, os.O_RDONLY | O_DIRECT)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
    return open_file(folder, name)


def new_file(folder: Folder, name: str) -> int:
    """Make a file that was not there, for its owner alone, whatever the umask and the folder's rules say."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | O_NOFOLLOW
    return owner_only(open_descriptor(name, flags, folder=folder), _OWNER_ONLY)


def owner_only(descriptor: int, rights: int) -> int:
    """Give the file or folder that was just made with these rights and no others, or close it."""
    try:
        if os.fstat(descriptor).st_mode & 0o777 != rights:
            set_rights(descriptor, rights)
    except BaseException:  # Ctrl-C too: what nobody gets must not stay open
        close(descriptor)
        raise
    return descriptor


@contextmanager
def temporary_file(folder: Folder) -> Iterator[tuple[str, int]]:
    """Make a file under a name of its own that is removed at the end of the block, if it still has that name.

    The writer holds a lock on it: so another process that sweeps can tell it from one whose writer died.
    """
    while True:
        name = temporary_name()
        held: Held | None = None
        try:
            descriptor = new_file(folder, name)
            # A sweeper may come in between making and locking: then the file is gone; another is made.
            held = hold_descriptor(descriptor)
            if held is None or not same_file(folder, name, descriptor):
                continue
            yield name, descriptor
            return
        finally:
            # The name is known before the file is there, so that not even an interrupt in between leaves it.
            if held is not None:
                held.release()
            with suppress(OSError):
                remove(folder, name)


def write_all(descriptor: int, data: Bytes, offset: int = 0) -> int:
    """Write all of the bytes there, however few the system takes at a time; give how many they are."""
    view = memoryview(data)
    if view.nbytes == 0:
        return 0
    if not view.c_contiguous:
        view = memoryview(view.tobytes())
    view = view.cast("B")
    done = 0
    refused = False
    while done < view.nbytes:
        try:
            taken = write_at(descriptor, view[done : done + _PIECE], offset + done)
        except OSError as error:
            # What is left after a direct write that took only a part need not be whole pages.
            if error.errno != errno.EINVAL or refused:
                raise
            refused = True
            write_through_memory(descriptor)
            continue
        if taken == 0:
            raise OSError(errno.EIO, "nothing was written")
        done += taken
    return done


def write_directly(descriptor: int) -> None:
    """Have whole pages written to the disk without a copy in the system's memory, where the file system can."""
    with suppress(OSError):
        set_direct(descriptor, on=True)


def write_through_memory(descriptor: int) -> None:
    """Have no more direct writes, for they would not do."""
    set_direct(descriptor, on=False)


def read_into(descriptor: int, start: int, buffer: memoryview) -> int:
    """Fill the buffer from a place in the file; give how many bytes there were."""
    done = 0
    while done < buffer.nbytes:
        got = read_at(descriptor, buffer[done : done + _PIECE], start + done)
        if got == 0:
            break
        done += got
    return done


def sync_folder(folder: Folder) -> None:
    """Make the names in a folder durable, where that can be asked for."""
    if isinstance(folder, str):
        return
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise


def same_file(folder: Folder, name: str, opened: Folder) -> bool:
    """Tell whether a name leads to this open file, or folder."""
    path, start = _within(folder, name)
    try:
        named = os.stat(path, dir_fd=start, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return os.path.samestat(named, os.stat(opened))


def names(folder: Folder) -> tuple[list[str], list[str]]:
    """Give the names of the folders and of the regular files in a folder; links are neither."""
    folders, files = [], []
    with with_spare(os.scandir, folder) as entries:
        for entry in entries:
            if not _is_text(entry.name):
                continue
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.name)
            elif entry.is_file(follow_symlinks=False):
                files.append(entry.name)
    return folders, files


def facts(folder: Folder, name: str) -> os.stat_result | None:
    """Give what is known of a file; None where it was removed since, or something else is there."""
    path, start = _within(folder, name)
    with suppress(FileNotFoundError):
        found = os.stat(path, dir_fd=start, follow_symlinks=False)
        return found if stat.S_ISREG(found.st_mode) else None
    return None


def _is_text(name: str) -> bool:
    """Tell whether a file's name is text, and so can be part of a key."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def remove(folder: Folder, name: str) -> bool:
    """Remove a file if it is there; tell whether it was."""
    path, start = _within(folder, name)
    try:
        os.unlink(path, dir_fd=start)
    except FileNotFoundError:
        return False
    return True


def close(opened: Folder) -> None:
    """Let go of what was read, or has been synchronised: what the system says to that no longer matters."""
    if isinstance(opened, int):
        with suppress(OSError):
            os.close(opened)
