"""A zip archive on this machine as a store: each change is a new archive that takes the old one's name."""

from __future__ import annotations

import errno
import os
import shutil
import zipfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lattice_addons._system import O_CLOEXEC
from lattice_addons.errors import StoreError
from lattice_addons.storage._faults import already_there, coded, ends_early, not_there, told
from lattice_addons.storage._held import hold_descriptor
from lattice_addons.storage._keys import temporary_name
from lattice_addons.storage._process import LOCK_SECONDS
from lattice_addons.storage._store import critical_section
from lattice_addons.storage.remote._files import Listed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from lattice_addons.storage.remote._faults import Where
    from lattice_addons.storage.remote._files import Sending

__all__ = ["ZipFiles", "archive_of"]

_PIECE = 1 << 20


def archive_of(url: str, options: Mapping[str, object]) -> tuple[str, str] | None:
    """Give the local archive and the folder in it; None when the archive is at some other place.

    >>> archive_of("zip://job::file:///tmp/store.zip", {})
    ('/tmp/store.zip', 'job')
    """
    first, chained, rest = url.partition("::")
    archive = rest if chained else str(options.get("fo", ""))
    if "://" in archive:
        kind, _, archive = archive.partition("://")
        if kind not in ("file", "local"):
            return None
    return (os.path.abspath(archive), first.partition("://")[2].strip("/")) if archive else None


class ZipFiles:
    """The members of an archive below a folder; reading costs what is read, a change the size of the archive.

    The archive is never changed in place: a reader, and a crash, leave the old one or the new one.
    """

    def __init__(self, archive: str, folder: str, where: Where) -> None:
        self._archive = archive
        self._prefix = folder + "/" if folder else ""
        self._where = where

    conditional = True  # under a lock that every process on this machine respects

    def check(self) -> None:
        """See that what is there is an archive, or that one can be made."""
        self._members()
        folder = os.path.dirname(self._archive)
        if not os.path.isdir(folder):
            message = f"{self._where.url}: there is no folder {folder}; make it, or correct root="
            raise coded(StoreError(message, url=self._where.url), errno.ENOENT)

    def listing(self, folder: str) -> dict[str, Listed]:
        """Read the archive's directory."""
        cut = len(self._prefix)
        return {
            name[cut:]: _listed(info)
            for name, info in self._members().items()
            if name.startswith(self._prefix + folder)
        }

    def folders(self, folder: str) -> list[str]:
        """Give the next part of the names."""
        rests = [key[len(folder) :] for key in self.listing(folder)]
        return sorted({rest.partition("/")[0] for rest in rests if "/" in rest})

    def size(self, key: str) -> int:
        """Look into the archive's directory."""
        return self._member(key).file_size

    def facts(self, key: str) -> Listed:
        """Look into the archive's directory."""
        return _listed(self._member(key))

    def _member(self, key: str) -> zipfile.ZipInfo:
        try:
            return self._members()[self._prefix + key]
        except KeyError:
            raise not_there(self._where.url, key) from None

    def _members(self) -> dict[str, zipfile.ZipInfo]:
        with self._told("list"):
            try:
                with zipfile.ZipFile(self._archive) as archive:
                    return {info.filename: info for info in archive.infolist() if not info.is_dir()}
            except FileNotFoundError:
                return {}

    def read(self, key: str, start: int, stop: int | None) -> bytes:
        """Read a range of a member, from the archive as it is when it is opened."""
        with self._told("read"):
            try:
                with zipfile.ZipFile(self._archive) as archive:
                    size = archive.getinfo(self._prefix + key).file_size
                    if start < 0 or start > size:
                        raise ends_early(self._where.url, key, size, start)
                    with archive.open(self._prefix + key) as member:
                        member.seek(start)
                        return member.read() if stop is None else member.read(max(stop - start, 0))
            except (FileNotFoundError, KeyError):
                raise not_there(self._where.url, key) from None

    def write(self, key: str, data: bytes, *, over: bool) -> None:
        """Add a member."""

        def add(archive: zipfile.ZipFile) -> None:
            archive.writestr(zipfile.ZipInfo(self._prefix + key), data)

        self._add(key, add, over=over, same=lambda: False)

    def send(self, sending: Sending) -> None:
        """Add a file as a member."""
        key, size = sending.key, os.stat(sending.path).st_size

        def add(archive: zipfile.ZipFile) -> None:
            info = zipfile.ZipInfo(self._prefix + key)
            with open(sending.path, "rb") as source, archive.open(info, "w", force_zip64=True) as member:
                shutil.copyfileobj(source, member, _PIECE)

        def same() -> bool:
            with open(sending.path, "rb") as source:
                starts = range(0, size, _PIECE)
                return self.size(key) == size and all(
                    self.read(key, at, at + _PIECE) == source.read(_PIECE) for at in starts
                )

        self._add(key, add, over=sending.over, same=same)
        if sending.tell is not None:
            sending.tell(size)

    def _add(
        self, key: str, add: Callable[[zipfile.ZipFile], None], *, over: bool, same: Callable[[], bool]
    ) -> None:
        with self._locked():
            there = self._prefix + key in self._members()
            if there and not over:
                if same():
                    return
                raise already_there(self._where.url, key)
            self._change([self._prefix + key] if there else [], add)

    def delete(self, keys: Sequence[str]) -> None:
        """Make an archive without these members."""
        names = {self._prefix + key for key in keys}
        with self._locked():
            gone = names.intersection(self._members())
            if gone:
                self._change(gone, lambda _: None)

    def prune(self, folder: str) -> None:
        """Do nothing: there are no folders."""

    def sweep(self, folder: str) -> int:  # noqa: ARG002 - as everywhere
        """Do nothing: an archive that was not finished has no name that is looked at."""
        return 0

    def _change(self, without: Collection[str], add: Callable[[zipfile.ZipFile], None]) -> None:
        """Make the next archive, durable before it takes the name."""
        folder = os.path.dirname(self._archive)
        temporary = os.path.join(folder, temporary_name())
        with self._told("write"):
            try:
                if not without and os.path.exists(self._archive):
                    shutil.copyfile(self._archive, temporary)
                with zipfile.ZipFile(temporary, "a") as archive:
                    if without:
                        self._copy(archive, without)
                    add(archive)
                _sync(temporary)
                os.replace(temporary, self._archive)
                _sync(folder)
            except BaseException:
                if os.path.exists(temporary):
                    os.unlink(temporary)
                raise

    def _copy(self, into: zipfile.ZipFile, without: Collection[str]) -> None:
        with zipfile.ZipFile(self._archive) as old:
            for info in old.infolist():
                if info.filename not in without:
                    with old.open(info) as source, into.open(info.filename, "w", force_zip64=True) as member:
                        shutil.copyfileobj(source, member, _PIECE)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep all other writers on this machine out."""
        with critical_section(self._archive, "\0zip"), self._told("lock"):
            descriptor = os.open(f"{self._archive}.lock", os.O_RDWR | os.O_CREAT | O_CLOEXEC, 0o666)
            held = hold_descriptor(descriptor, seconds=LOCK_SECONDS)
            if held is None:
                message = (
                    f"{self._archive} is being written by another process for {LOCK_SECONDS:g} s: see which"
                )
                raise coded(StoreError(message, url=self._where.url), errno.ETIMEDOUT)
            with held:
                yield

    @contextmanager
    def _told(self, action: str) -> Iterator[None]:
        """Turn the errors of the system and of a torn archive into ours."""
        try:
            with told(action, self._archive):
                yield
        except zipfile.BadZipFile as error:
            message = f"{self._archive} is no zip archive ({error}): move it away, or correct root="
            raise coded(StoreError(message, url=self._where.url), errno.EIO) from error


def _sync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _listed(info: zipfile.ZipInfo) -> Listed:
    return Listed(info.file_size, f"{info.CRC:08x}-{info.file_size}", None)
