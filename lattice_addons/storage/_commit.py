"""Written under another name, synchronised, renamed, and the folder synchronised: then it is acknowledged."""

from __future__ import annotations

import errno
import os
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from lattice_addons._system import FOLDERS_OPEN, fdatasync, link
from lattice_addons.errors import StoreError
from lattice_addons.storage import _files
from lattice_addons.storage._faults import already_there, told, vanished
from lattice_addons.storage._held import hold_descriptor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lattice_addons.storage._files import Folder
    from lattice_addons.storage._folders import Folders
    from lattice_addons.storage._held import Held
    from lattice_addons.storage._store import Bytes

__all__ = ["FileWriter", "commit", "place", "sweep_file"]

_FORGOTTEN_SECONDS = 86_400  # where the file system has no locks, a temporary this old has no writer any more
_LONGEST_WRITE = 60.0  # seconds that a disk may take for one piece
# Without room for a second name (one of tmpfs takes an inode) a file can still be renamed.
_NO_HARD_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.ENOSPC, errno.EDQUOT)


def commit(folders: Folders, parts: Sequence[str], data: Bytes, *, over: bool) -> None:
    """Store a key, whole and durable, or not at all; once more where its folder was removed meanwhile."""
    try:
        _commit_once(folders, parts, data, over=over)
    except FileNotFoundError:
        # Somebody removed the root, or a folder of it, meanwhile: nothing was acknowledged, so do it again.
        _commit_once(folders, parts, data, over=over)


def _commit_once(folders: Folders, parts: Sequence[str], data: Bytes, *, over: bool) -> None:
    with folders.enter(parts[:-1], make=True) as folder, _files.temporary_file(folder) as (temporary, opened):
        _files.write_all(opened, data)
        place(folders, parts, (folder, temporary, opened), over=over)


def place(folders: Folders, parts: Sequence[str], made: tuple[Folder, str, int], *, over: bool) -> None:
    """Make what was written durable and give it its name; ``made``: the folder, the name so far, the open file."""
    folder, temporary, opened = made
    # When this fails the pages count as clean and a second one would succeed without them: give it up.
    os.fsync(opened)
    try:
        if isinstance(folder, str):
            _give_name(folder, temporary, parts[-1], opened, over=over)
            return
        if over:
            os.rename(temporary, parts[-1], src_dir_fd=folder, dst_dir_fd=folder)
        else:
            _link(temporary, parts[-1], folder)
        _files.sync_folder(folder)
        folders.expect(parts, opened)
    except BaseException:
        # Not acknowledged, so not there; a replaced key cannot be brought back, and is whole either way.
        if not over:
            with suppress(OSError):
                _take_back(folder, parts[-1], opened)
        raise


def _give_name(folder: str, temporary: str, name: str, opened: int, *, over: bool) -> None:
    """Give a file its name on a system that opens no folders, and names no file that is open."""
    here, there = os.path.join(folder, temporary), os.path.join(folder, name)
    os.close(opened)
    if over:
        os.replace(here, there)
    elif os.path.lexists(there):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    else:
        os.rename(here, there)


def _link(temporary: str, name: str, folder: int) -> None:
    """Give a file its name, never over another one; the temporary name may stay."""
    try:
        link(temporary, name, folder=folder)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        # A file system without hard links: the lease keeps others away between the look and the rename.
        if os.access(name, os.F_OK, dir_fd=folder, follow_symlinks=False):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)


def _take_back(folder: Folder, name: str, descriptor: int) -> None:
    """Remove a name that leads to this file, and to no other."""
    if _files.same_file(folder, name, descriptor) and _files.remove(folder, name):
        _files.sync_folder(folder)


class FileWriter:
    """A new file of the store, written piece by piece under its own name, from any thread."""

    def __init__(self, folders: Folders, parts: Sequence[str], url: str) -> None:
        self.position = 0
        self._folders = folders
        self._parts = parts
        self._url = url
        self._key = "/".join(parts)
        self._held: Held | None = None
        self._fault: StoreError | None = None
        self._direct = False
        self._writes = 0
        self._counting = threading.Lock()

    def open(self) -> None:
        """Make the file, which must not be there."""
        with told("write", self._path):
            try:
                try:
                    self._held = self._make()
                except FileNotFoundError:
                    self._held = self._make()
            except FileExistsError:
                raise already_there(self._url, self._key) from None

    def write(self, data: Bytes) -> None:
        """Append all of these bytes."""
        self.write_at(data, self.position)

    def write_at(self, data: Bytes, offset: int, *, paged: bool = False) -> None:
        """Write all of these bytes there; directly to the disk, if they are whole pages of memory."""
        with self._counting:
            self._writes += 1
        try:
            with told("write", self._path):
                end = offset + _files.write_all(self._mode(paged=paged), data, offset)
            with self._counting:
                self.position = max(self.position, end)
        except StoreError as error:
            self._fault = error
            raise
        finally:
            with self._counting:
                self._writes -= 1

    def _mode(self, *, paged: bool) -> int:
        """Give the descriptor, in the mode in which it takes such a write.

        The first write of whole pages decides for the file: from then on all are, or none is direct.
        """
        descriptor = self._descriptor
        if paged and not self._direct:
            with self._counting:
                if not self._direct:
                    _files.write_directly(descriptor)
                    self._direct = True
        return descriptor

    def finish(self) -> None:
        """Make the file and its name durable."""
        if self._fault is not None:
            # The block went on after a write that failed: what is there is not what was meant.
            raise self._fault
        with told("write", self._path):
            fdatasync(self._descriptor)
            try:
                with self._folders.enter(self._parts[:-1]) as folder:
                    _files.sync_folder(folder)
                    there = _files.same_file(folder, self._parts[-1], self._descriptor)
            except FileNotFoundError:
                there = False
            if not there:
                raise vanished(self._url, self._key)

    def discard(self) -> None:
        """Remove the file."""
        if self._held is not None and self._held.descriptor >= 0:
            with suppress(OSError), self._folders.enter(self._parts[:-1]) as folder:
                _take_back(folder, self._parts[-1], self._held.descriptor)

    def close(self) -> None:
        """Close the file, when nobody writes to it any more."""
        if self._held is not None:
            # Else its descriptor could be another file's while a thread still writes: after an interrupt, say.
            deadline = time.monotonic() + _LONGEST_WRITE
            while self._writes and time.monotonic() < deadline:
                time.sleep(0.001)
            self._held.release()

    @property
    def _path(self) -> str:
        return os.path.join(self._folders.root, *self._parts)

    @property
    def _descriptor(self) -> int:
        """Give the open file; one that cannot be written in a forked child, which has closed its parent's."""
        return -1 if self._held is None else self._held.descriptor

    def _make(self) -> Held:
        with self._folders.enter(self._parts[:-1], make=True) as folder:
            descriptor = _files.new_file(folder, self._parts[-1])
        held = hold_descriptor(descriptor)
        if held is None:
            # Just made by us: only a sweeper can have locked it, and it removes what it locks.
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return held


def sweep_file(folder: Folder, name: str) -> bool:
    """Remove a temporary whose writer is dead; tell whether it was removed."""
    try:
        descriptor = _files.open_file(folder, name, os.O_RDWR)
    except OSError:
        # Gone meanwhile, or not ours to remove.
        return False
    held = hold_descriptor(descriptor)
    if held is None:
        return False
    with held, suppress(OSError):
        age = time.time() - os.fstat(held.descriptor).st_mtime
        if held.locked or age > _FORGOTTEN_SECONDS:
            if not FOLDERS_OPEN:
                held.release()  # such systems remove no file that is open
            return _files.remove(folder, name)
    return False
