"""A durable folder: what it acknowledges is there after the power has failed."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

from lattice_addons._system import can_write, is_read_only
from lattice_addons.errors import NotInStoreError, StoreError
from lattice_addons.storage import _files
from lattice_addons.storage._commit import FileWriter, commit, sweep_file
from lattice_addons.storage._faults import (
    already_there,
    coded,
    ends_early,
    kept_locked,
    not_there,
    replaced,
    told,
)
from lattice_addons.storage._folders import NO_KEYS, Folders
from lattice_addons.storage._held import hold_descriptor
from lattice_addons.storage._keys import is_temporary, split_key
from lattice_addons.storage._listed import listed_file
from lattice_addons.storage._process import LOCK_SECONDS, keep_spare
from lattice_addons.storage._reader import FileReader
from lattice_addons.storage._stage import staging
from lattice_addons.storage._store import Store, critical_section

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager

    from lattice_addons.storage._files import Folder
    from lattice_addons.storage._held import Held
    from lattice_addons.storage._listed import Listed
    from lattice_addons.storage._store import Bytes, Keys, Writer

__all__ = ["LocalStore"]

_TRIES = 100  # how often a name may be given to another file between opening and locking it


class LocalStore(Store):
    """A folder of one's own, on a file system of this machine or one shared by a cluster.

    A key is written under a temporary name, synchronised, given its name, and the folder is synchronised.
    Files and folders are their owner's alone. The root may be a link; below it no link is followed.
    """

    __module__ = "lattice_addons.storage"

    def __init__(self, path: str | os.PathLike[str], *, create: bool = True) -> None:
        given = os.fspath(path)
        if not given or "\0" in given:
            raise StoreError(f"{given!r} names no folder: set `root` to the folder for the store", url=given)
        with told("find the working directory for the store", given):
            self.root: str = os.path.abspath(given)
        self.url: str = self.root
        self._folders = Folders(self.root)
        keep_spare()
        with told("open the store", self.root):
            try:
                with self._folders.enter((), make=create):
                    pass
            except FileNotFoundError as error:
                message = f"there is no store at {self.root}: set `root` to the folder a program has saved to"
                raise coded(NotInStoreError(message, url=self.root, key=""), errno.ENOENT) from error
            if create and not can_write(self.root):
                code = errno.EROFS if is_read_only(self.root) else errno.EACCES
                raise OSError(code, os.strerror(code))

    def __repr__(self) -> str:
        """Show how to make it again."""
        return f"LocalStore({self.root!r})"

    def read(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """Give the bytes of a key, or those in a range of it."""
        with self._reading(key) as descriptor, told("read", self._path(key)):
            size = os.fstat(descriptor).st_size
            if start < 0 or start > size:
                raise ends_early(self.url, key, size, start)
            end = size if stop is None else min(stop, size)
            data = bytearray(max(end - start, 0))
            done = _files.read_into(descriptor, start, memoryview(data))
            return bytes(memoryview(data)[:done])

    def read_into(self, key: str, start: int, buffer: memoryview) -> None:
        """Fill a buffer with the bytes that begin at ``start``."""
        with self.reading(key) as reader:
            reader.read_into(start, buffer)

    @contextmanager
    def reading(self, key: str, *, direct: bool = False) -> Iterator[FileReader]:
        """Open a key's file for a block; ``direct`` where the file system has it."""
        with self._reading(key, direct=direct) as descriptor:
            with told("read", self._path(key)):
                reader = FileReader(descriptor, self.url, key)
            yield reader

    def size(self, key: str) -> int:
        """Give the number of bytes of a key."""
        return self.facts(key).size

    def facts(self, key: str) -> Listed:
        """Give what the file system knows of a key's file."""
        with self._reading(key) as descriptor, told("read", self._path(key)):
            return listed_file(os.fstat(descriptor))

    def list(self, prefix: str = "") -> Keys:
        """Give every key below a folder, sorted."""
        top = split_key(prefix, folder=True)
        with told("list", self._path(prefix)):
            return sorted(key for key, _, _ in self._found(top))

    def listing(self, prefix: str = "") -> dict[str, Listed]:
        """Give every key below a folder, with what is known of it, sorted."""
        top = split_key(prefix, folder=True)
        with told("list", self._path(prefix)):
            found = {key: _files.facts(folder, name) for key, folder, name in self._found(top)}
        return {key: listed_file(facts) for key, facts in sorted(found.items()) if facts is not None}

    def _found(self, top: tuple[str, ...]) -> Iterator[tuple[str, Folder, str]]:
        """Give each key below a folder, with the descriptor of its folder and its name there."""
        for parts, folder, files in self._walk(top):
            for name in files:
                key = "/".join((*parts, name))
                if key not in NO_KEYS and not is_temporary(name):
                    yield key, folder, name

    def folders(self, prefix: str = "") -> Keys:
        """Give the names of the folders directly below a folder, sorted."""
        with told("list", self._path(prefix)):
            try:
                with self._folders.enter(split_key(prefix, folder=True)) as folder:
                    return sorted(_files.names(folder)[0])
            except FileNotFoundError:
                return []

    def put(self, key: str, data: Bytes) -> None:
        """Store a new key, whole and durable, or not at all; never over an old one."""
        parts = split_key(key)
        with told("write", self._path(key)):
            try:
                commit(self._folders, parts, data, over=False)
            except FileExistsError:
                raise already_there(self.url, key) from None

    def replace(self, key: str, data: Bytes) -> None:
        """Store a key, whole and durable, in the place of the old one."""
        parts = split_key(key)
        with told("write", self._path(key)):
            commit(self._folders, parts, data, over=True)

    @contextmanager
    def create(self, key: str) -> Iterator[FileWriter]:
        """Write a new key piece by piece, under its own name."""
        writer = FileWriter(self._folders, split_key(key), self.url)
        try:
            writer.open()
            yield writer
            writer.finish()
        except BaseException:
            # KeyboardInterrupt too: what is not whole must not stay.
            writer.discard()
            raise
        finally:
            writer.close()
            keep_spare()

    def stage(self, key: str, *, over: bool = False) -> AbstractContextManager[Writer]:
        """Write a key piece by piece, under another name until the block ends well."""
        return staging(self._folders, split_key(key), self.url, over=over)

    def delete(self, keys: Iterable[str]) -> None:
        """Remove keys, durably."""
        by_folder: dict[tuple[str, ...], Keys] = {}
        for key in keys:
            *parts, name = split_key(key)
            by_folder.setdefault(tuple(parts), []).append(name)
        for folder, names in by_folder.items():
            with told("delete from", self._path("/".join(folder))), suppress(FileNotFoundError):
                self._remove(folder, names)

    def _remove(self, parts: tuple[str, ...], names: Keys) -> None:
        with self._folders.enter(parts) as folder:
            removed = 0
            for name in names:
                with told("delete", self._path("/".join((*parts, name)))):
                    removed += _files.remove(folder, name)
            if removed:
                _files.sync_folder(folder)

    def prune(self, folder: str) -> None:
        """Remove what is left of a folder when all its keys are deleted and nobody will write there."""
        top = split_key(folder, folder=True)
        self.sweep(folder)
        with told("remove", self._path(folder)):
            for parts in sorted((parts for parts, _, _ in self._walk(top)), key=len, reverse=True):
                # One that is not empty, or in use, stays.
                with suppress(OSError), self._folders.enter(parts[:-1]) as parent:
                    if parts:
                        _files.remove_folder(parent, parts[-1])

    def sweep(self, folder: str = "") -> int:
        """Remove the temporaries of dead writers below a folder; a live one holds a lock on its own."""
        top = split_key(folder, folder=True)
        with told("sweep", self._path(folder)):
            found = ((inside, name) for _, inside, files in self._walk(top) for name in files)
            return sum(sweep_file(inside, name) for inside, name in found if is_temporary(name))

    @contextmanager
    def exclusive(self, folder: str) -> Iterator[None]:
        """Keep other threads and processes that ask for the same out of a short block: lock the folder."""
        parts = split_key(folder, folder=True)
        with told("lock", self._path(folder)):
            held = self._lock_folder(parts)
        with held:
            if held.locked:
                yield
            else:
                # A file system without locks: at least this process's threads exclude each other.
                with critical_section(self.url, "/".join(parts)):
                    yield

    def flock_hold(self, key: str) -> Held | None:
        """Hold an existing key until released or until this process ends; None when somebody holds it.

        After a `replace` of the key it is the old file that is held (`Held.valid` tells): hold it again.
        """
        parts = split_key(key)
        for _ in range(_TRIES):
            with told("lock", self._path(key)):
                held = hold_descriptor(self._open_to_hold(key, parts), partial(self._folders.leads_to, parts))
            if held is None or held.valid():
                return held
            # Replaced between opening and locking: what is held is the old file.
            held.release()
        raise replaced(self.url, key)

    def _open_to_hold(self, key: str, parts: tuple[str, ...]) -> int:
        """Open a key's file for locking: for writing if possible, because NFS locks nothing else."""
        try:
            with self._folders.enter(parts[:-1]) as folder:
                try:
                    return _files.open_file(folder, parts[-1], os.O_RDWR)
                except PermissionError:
                    return _files.open_file(folder, parts[-1])
        except FileNotFoundError as error:
            raise not_there(self.url, key) from error

    def _lock_folder(self, parts: tuple[str, ...]) -> Held:
        """Lock a folder, made if need be; a folder removed meanwhile is locked again under its name."""
        for _ in range(_TRIES):
            descriptor, there = self._folders.open_to_lock(parts)
            held = hold_descriptor(descriptor, partial(self._folders.leads_to, there), seconds=LOCK_SECONDS)
            if held is None:
                raise kept_locked(self.url, "/".join(parts), LOCK_SECONDS)
            if held.valid():
                return held
            held.release()
        raise replaced(self.url, "/".join(parts))

    def _walk(self, top: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Folder, Keys]]:
        """Give each folder from this one down, past no link: its parts, its descriptor, its files."""
        pending = [top]
        while pending:
            here = pending.pop()
            try:
                folder = self._folders.open(here)
            except FileNotFoundError:
                continue
            try:
                inner, files = _files.names(folder)
                yield here, folder, files
            finally:
                _files.close(folder)
            pending += [(*here, name) for name in inner]

    def _path(self, key: str) -> str:
        return os.path.join(self.root, key)

    @contextmanager
    def _reading(self, key: str, *, direct: bool = False) -> Iterator[int]:
        """Open a key's file for a block."""
        parts = split_key(key)
        with told("read", self._path(key)):
            try:
                with self._folders.enter(parts[:-1]) as folder:
                    descriptor = _files.open_to_read(folder, parts[-1], direct=direct)
            except FileNotFoundError as error:
                raise not_there(self.url, key) from error
        try:
            yield descriptor
        finally:
            _files.close(descriptor)
