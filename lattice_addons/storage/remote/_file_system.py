"""``lattice://`` for everything that knows fsspec: pandas, torch, dask, and ``fsspec.open``."""

from __future__ import annotations

import errno
import os
import tempfile
from datetime import datetime, timezone
from typing import Any, ClassVar

from fsspec.callbacks import DEFAULT_CALLBACK
from fsspec.spec import AbstractFileSystem

from lattice_addons._service_url import PORT, SCHEMES, Address, address, is_service
from lattice_addons.errors import NotInStoreError, StoreError, UnreachableError
from lattice_addons.storage._keys import split_key
from lattice_addons.storage.remote._file import Reading, Text, Writing
from lattice_addons.storage.remote._files import Sending
from lattice_addons.storage.remote._folders_seen import Info, below, children, directory, info_of
from lattice_addons.storage.remote._service_opened import service_at

__all__ = ["LatticeFileSystem"]

_PIECE = 8 << 20


class LatticeFileSystem(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """The objects of a checkpoint service as files: ``lattice://host:port/job/path``, or ``lattices://`` by TLS.

    What is written is there when it is closed, whole, and never after an exception in the ``with`` block. ``token``
    is by default what the variable ``LATTICE_CHECKPOINT_TOKEN`` says; ``cafile`` names the certificate of an
    authority that the system does not know; after ``timeout`` seconds without an answer a call is given up.
    There are no empty folders, and nothing is kept of listings.
    """

    __module__ = "lattice_addons.storage"
    protocol: ClassVar[tuple[str, ...]] = tuple(SCHEMES)
    root_marker = ""

    def __init__(  # noqa: PLR0913 - as storage options are given
        self,
        host: str,
        port: int = PORT,
        *,
        token: str | None = None,
        tls: bool = False,
        cafile: str | None = None,
        timeout: float = 30.0,
        **more: Any,  # noqa: ANN401 - those of every fsspec file system
    ) -> None:
        super().__init__(host=host, port=port, token=token, tls=tls, cafile=cafile, timeout=timeout, **more)
        self.address: Address = Address(tls, host, int(port), "")
        self._files = service_at(self.address, {"token": token, "cafile": cafile}, timeout)

    # -- names

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:  # noqa: ANN401 - a path, or a list of them
        if isinstance(path, list):
            return [cls._strip_protocol(each) for each in path]
        text = os.fspath(path)
        return (address(text).path if is_service(text) else text).strip("/")

    @staticmethod
    def _get_kwargs_from_urls(path: str) -> Info:
        if not is_service(path):
            return {}
        at = address(path)
        return {"host": at.host, "port": at.port} | ({"tls": True} if at.secure else {})

    @property
    def fsid(self) -> str:
        """Give what tells this service from others."""
        return self.address.url

    def unstrip_protocol(self, name: str) -> str:
        """Give the URL of a path."""
        return f"{self.address.url}/{self._strip_protocol(name)}"

    def _key(self, path: str) -> str:
        key: str = self._strip_protocol(path)
        split_key(key)
        return key

    # -- looking

    def ls(self, path: str, detail: bool = True, **_: object) -> list[Any]:  # noqa: FBT001, FBT002 - as fsspec has it
        """List a folder; the folders of the top are the jobs."""
        folder = self._folder(path)
        found = children(self._files, folder)
        if not found and folder:
            info = self.info(path)
            found = {info["name"]: info} if info["type"] == "file" else {}
        return [found[name] for name in sorted(found)] if detail else sorted(found)

    def _folder(self, path: str) -> str:
        return "".join(f"{part}/" for part in split_key(self._strip_protocol(path), folder=True))

    def find(
        self,
        path: str,
        maxdepth: int | None = None,
        withdirs: bool = False,  # noqa: FBT001, FBT002 - as fsspec has it
        detail: bool = False,  # noqa: FBT001, FBT002 - as fsspec has it
        **_: object,
    ) -> Any:  # noqa: ANN401 - names, or names and facts
        """List what is below a folder, with one request."""
        folder = self._folder(path)
        at = folder.removesuffix("/")
        there = children(self._files, "") if not folder and maxdepth == 1 else below(self._files, folder)
        found: dict[str, Info] = {at: directory(at)} if at and there and withdirs else {}
        for key, info in there.items():
            parts = key[len(folder) :].split("/")
            levels = range(1, len(parts) if maxdepth is None else min(len(parts), maxdepth + 1))
            for name in (folder + "/".join(parts[:level]) for level in levels) if withdirs else ():
                found.setdefault(name, directory(name))
            if (maxdepth is None or len(parts) <= maxdepth) and (withdirs or info["type"] == "file"):
                found[key] = info
        if not there and at and self.isfile(at):
            found = {at: self.info(at)}
        return dict(sorted(found.items())) if detail else sorted(found)

    def info(self, path: str, **_: object) -> Info:
        """Give the facts of a file or folder."""
        name: str = self._strip_protocol(path)
        if not name:
            return directory("")
        try:
            return info_of(name, self._files.facts(self._key(name)))
        except UnreachableError:
            raise
        except StoreError:
            # Where the service has a folder it says that there is none, or that it is no object.
            if not below(self._files, f"{name}/"):
                raise
        return directory(name)

    def exists(self, path: str, **_: object) -> bool:
        """Say whether something is there; that it cannot be told is an error."""
        try:
            self.info(path)
        except NotInStoreError:
            return False
        return True

    def modified(self, path: str) -> datetime:
        """Give when a file was stored."""
        return datetime.fromtimestamp(self.info(path)["modified"], tz=timezone.utc)

    # -- reading

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: object) -> bytes:
        """Give the bytes of a file, or of a range of it."""
        key = self._key(path)
        if (start or 0) < 0 or (end or 0) < 0:
            size = self._files.size(key)
            start, end = (max(at + size, 0) if at is not None and at < 0 else at for at in (start, end))
        begin = start or 0
        if end is not None and end <= begin:
            return b""
        try:
            return self._files.read(key, begin, end)
        except ValueError:  # it begins behind the end
            return b""

    def get_file(
        self,
        rpath: str,
        lpath: Any = None,  # noqa: ANN401 - a path, or an open file
        callback: Any = DEFAULT_CALLBACK,  # noqa: ANN401 - fsspec has no types
        outfile: Any = None,  # noqa: ANN401 - an open file
        **_: object,
    ) -> None:
        """Bring a file here."""
        outfile = lpath if outfile is None and hasattr(lpath, "write") else outfile
        if outfile is None and self.isdir(rpath):
            os.makedirs(lpath, exist_ok=True)
            return
        key = self._key(rpath)
        size = self._files.size(key)
        callback.set_size(size)
        if outfile is not None:
            self._fetch(key, size, outfile, callback)
            return
        os.makedirs(os.path.dirname(os.path.abspath(lpath)), exist_ok=True)
        with open(lpath, "wb") as opened:
            self._fetch(key, size, opened, callback)

    def _fetch(self, key: str, size: int, target: Any, callback: Any = DEFAULT_CALLBACK) -> None:  # noqa: ANN401 - as above
        for at in range(0, size, _PIECE):
            piece = self._files.read(key, at, min(at + _PIECE, size))
            target.write(piece)
            callback.relative_update(len(piece))

    def open(self, path: str, mode: str = "rb", **more: Any) -> Any:  # noqa: ANN401 - what fsspec opens has no one type
        """Open a file; text that was being written when an exception came is not there afterwards."""
        if "b" in mode or not {"w", "x"}.intersection(mode):
            return super().open(path, mode, **more)
        words = {name: more.pop(name) for name in ("encoding", "errors", "newline") if name in more}
        return Text(super().open(path, mode.replace("t", "") + "b", **more), **words)

    def _open(self, path: str, mode: str = "rb", **more: Any) -> Any:  # noqa: ANN401 - as above
        if mode == "rb":
            return Reading(self, path, mode, **{"cache_type": "readahead"} | more)
        if mode not in ("wb", "xb"):
            message = f"{self.unstrip_protocol(path)} cannot be opened with mode {mode!r}: read it, and write it anew"
            raise NotImplementedError(message)
        if mode == "xb" and self.exists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), self.unstrip_protocol(path))
        return Writing(self, path, mode, autocommit=more.get("autocommit", True))

    # -- writing

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: object) -> None:
        """Store bytes; with ``mode="create"`` never over others."""
        self._store(path, lambda key: self._files.write(key, bytes(value), over=mode != "create"))

    def put_file(
        self,
        lpath: str,
        rpath: str,
        callback: Any = DEFAULT_CALLBACK,  # noqa: ANN401 - fsspec has no types
        mode: str = "overwrite",
        **_: object,
    ) -> None:
        """Store a file of this machine; a folder has nothing that could be stored."""
        if os.path.isdir(lpath):
            return
        callback.set_size(os.stat(lpath).st_size)
        over = mode != "create"
        self._store(
            rpath,
            lambda key: self._files.send(
                Sending(key, os.fspath(lpath), over, None, callback.absolute_update)
            ),
        )

    def _store(self, path: str, store: Any) -> None:  # noqa: ANN401 - takes the key
        try:
            store(self._key(path))
        except StoreError as error:
            if error.errno != errno.EEXIST:
                raise
            raise FileExistsError(errno.EEXIST, str(error), self.unstrip_protocol(path)) from error

    def cp_file(self, path1: str, path2: str, **_: object) -> None:
        """Copy a file, through this machine; a folder is there when something is in it."""
        if self.isdir(path1):
            return
        key = self._key(path1)
        with tempfile.NamedTemporaryFile(prefix="lattice-") as copy:
            self._fetch(key, self._files.size(key), copy)
            copy.flush()
            self._files.send(Sending(self._key(path2), copy.name, over=True, parts=None, tell=None))

    def makedirs(self, path: str, exist_ok: bool = False) -> None:  # noqa: FBT001, FBT002 - as fsspec has it
        """Do nothing: a folder is there when something is in it."""

    def mkdir(self, path: str, create_parents: bool = True, **_: object) -> None:  # noqa: FBT001, FBT002 - as fsspec has it
        """Do nothing, as `makedirs`."""

    def rmdir(self, path: str) -> None:
        """Do nothing: a folder goes with the last that is in it."""

    # -- removing

    def rm_file(self, path: str) -> None:
        """Remove a file."""
        key = self._key(path)
        self._files.size(key)  # what is not there is an error here
        self._files.delete([key])

    def rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None) -> None:  # noqa: ANN401, FBT001, FBT002 - as fsspec has it
        """Remove files, and with ``recursive`` all that is below folders, with as few requests as there can be."""
        paths = self.expand_path(path)
        files: list[str] = []
        for each in paths:
            found = self.find(each, maxdepth=maxdepth) if recursive else [each]
            if not found or (not recursive and self.info(each)["type"] == "directory"):
                number = errno.EISDIR if found else errno.ENOENT
                raise OSError(number, os.strerror(number), self.unstrip_protocol(each))
            files += found
        self._files.delete([self._key(each) for each in dict.fromkeys(files)])
