"""The folders of a local store: their owner's alone, durable, and entered one by one past every link."""

from __future__ import annotations

import errno
import logging
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from lattice_addons.errors import StoreError
from lattice_addons.storage._faults import coded
from lattice_addons.storage._files import (
    close,
    make_folder,
    new_file,
    open_descriptor,
    open_folder,
    owner_only,
    remove,
    same_file,
    sync_folder,
    write_all,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lattice_addons.storage._files import Folder

__all__ = ["NO_KEYS", "Folders"]

_LOCK = ".lock"  # stands in a root where no folder can be locked
# What we put into a root beside the keys.
NO_KEYS = (".gitignore", _LOCK)
_OWNER_ONLY = 0o700
_log = logging.getLogger("lattice_addons.storage")


class Folders:
    """The folders below a root.

    No descriptor is kept between two operations: the root may be removed and made again, and a forked child
    and the working directory change nothing.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self._seen = False
        # Folders whose own names are known to be durable; by device and inode, so that one made again is not.
        self._durable: set[tuple[int, int]] = set()

    @contextmanager
    def enter(self, parts: Sequence[str], *, make: bool = False) -> Iterator[Folder]:
        """Open the folder of these parts for a block; with ``make``, make what is missing, durably."""
        folder = self.open(parts, make=make)
        try:
            yield folder
        finally:
            close(folder)

    def open(self, parts: Sequence[str], *, make: bool = False) -> Folder:
        """Open the folder of these parts; the root may be a link of the user's, below it none is followed."""
        folder = self._open_root(make=make)
        for name in parts:
            parent = folder
            try:
                folder, made = _open_below(parent, name, make=make)
                if make:
                    self._settle(parent, folder, made=made)
            finally:
                close(parent)
        return folder

    def open_to_lock(self, parts: Sequence[str]) -> tuple[int, Sequence[str]]:
        """Open a folder, made if need be, or the file that is locked in its stead; say where that is."""
        folder = self.open(parts, make=True)
        if isinstance(folder, int):
            return folder, parts
        return open_descriptor(_LOCK, os.O_RDWR | os.O_CREAT, folder=self.root), (_LOCK,)

    def leads_to(self, parts: Sequence[str], opened: Folder) -> bool:
        """Tell whether these parts lead, now, to this open file or folder."""
        try:
            with self.enter(parts[:-1]) as folder:
                return same_file(folder, parts[-1] if parts else ".", opened)
        except (FileNotFoundError, NotADirectoryError):
            return False

    def expect(self, parts: Sequence[str], descriptor: int) -> None:
        """Raise FileNotFoundError where these parts do not lead to this open file."""
        if not self.leads_to(parts, descriptor):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))

    def _open_root(self, *, make: bool) -> Folder:
        try:
            folder = open_folder(self.root)
        except FileNotFoundError:
            if not make:
                raise
            folder = self._make_root()
        except NotADirectoryError as error:
            message = (
                f"the store's root {self.root} is no folder: move the file away, or set `root` to another"
            )
            raise coded(StoreError(message, url=self.root), errno.ENOTDIR) from error
        self._seen = True
        if make:
            self._settle_root(folder)
        return folder

    def _make_root(self) -> Folder:
        """Make the root, not its parents: a missing parent is more often a typing error or a lost mount."""
        # Where the user's own link leads, if it leads to what is not there yet.
        parent_path, name = os.path.split(os.path.realpath(self.root))
        try:
            parent = open_folder(parent_path)
        except FileNotFoundError as error:
            raise self._no_parent(parent_path) from error
        try:
            if self._seen:
                _log.warning("the store %s has vanished; it is made again", self.root)
            made = _make(parent, name)
            folder = _open_made(parent, name)
            if made:
                _ignore_for_git(folder)
            self._settle(parent, folder, made=made)
        finally:
            close(parent)
        return folder

    def _no_parent(self, parent: str) -> StoreError:
        return coded(
            StoreError(
                f"the store's root {self.root} cannot be made, because {parent} is not there: "
                f"make it (`mkdir -p {parent}`), mount it, or set `root` to another folder",
                url=self.root,
            ),
            errno.ENOENT,
        )

    def _settle_root(self, folder: Folder) -> None:
        """Make the name of a root that was there already durable, where its parent can be opened."""
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in self._durable:
            return
        parent: Folder | None = None
        with suppress(OSError):
            parent = open_folder(os.path.dirname(os.path.realpath(self.root)))
        if parent is not None:
            try:
                sync_folder(parent)
            finally:
                close(parent)
        self._durable.add((status.st_dev, status.st_ino))

    def _settle(self, parent: Folder, folder: Folder, *, made: bool) -> None:
        """Make a folder's name durable in its parent, or close the folder.

        This is done once for each folder, also for one that was there: whoever made it may have died before.
        """
        try:
            status = os.stat(folder)
            known = status.st_dev, status.st_ino
            if made:
                # It may have got the inode of one that was removed.
                self._durable.discard(known)
            if known not in self._durable:
                sync_folder(parent)
                self._durable.add(known)
        except BaseException:  # Ctrl-C too: what nobody gets must not stay open
            close(folder)
            raise


def _open_below(parent: Folder, name: str, *, make: bool) -> tuple[Folder, bool]:
    """Open a folder that is no link, and make it if need be; tell whether it was made."""
    try:
        return open_folder(name, below=parent), False
    except FileNotFoundError:
        if not make:
            raise
    made = _make(parent, name)
    return _open_made(parent, name), made


def _make(parent: Folder, name: str) -> bool:
    """Make a folder; tell whether it was not there."""
    try:
        make_folder(parent, name, _OWNER_ONLY)
    except FileExistsError:
        return False
    return True


def _open_made(parent: Folder, name: str) -> Folder:
    """Open a folder that was just made, and give its owner, and nobody else, all rights to it."""
    try:
        folder = open_folder(name, below=parent)
    except PermissionError:
        # A umask that takes rights from the owner himself.
        if isinstance(parent, str):
            raise
        os.chmod(name, _OWNER_ONLY, dir_fd=parent)
        folder = open_folder(name, below=parent)
    return owner_only(folder, _OWNER_ONLY) if isinstance(folder, int) else folder


def _ignore_for_git(folder: Folder) -> None:
    """Keep a root out of the version control of the project it lies in."""
    try:
        descriptor = new_file(folder, ".gitignore")
        try:
            write_all(descriptor, b"*\n")
        finally:
            close(descriptor)
    except OSError:
        # A store on a full disk says so when something is saved; this file is a courtesy.
        with suppress(OSError):
            remove(folder, ".gitignore")
