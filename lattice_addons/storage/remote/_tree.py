"""Files by what every file system of fsspec can do: written under another name, then moved to their own."""

from __future__ import annotations

import errno
import inspect
import os
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from lattice_addons.errors import LatticeError, StoreError
from lattice_addons.storage._faults import coded, ends_early
from lattice_addons.storage._keys import is_temporary
from lattice_addons.storage.remote._beat import beating
from lattice_addons.storage.remote._faults import GONE, THERE, meaning
from lattice_addons.storage.remote._gaps import over_gaps
from lattice_addons.storage.remote._infos import listed
from lattice_addons.storage.remote._moves import folder_remover, sender
from lattice_addons.storage.remote._patience import Pulse, all_of, in_thread, persist
from lattice_addons.storage.remote._placing import Placing, Put
from lattice_addons.storage.remote._webdav import is_misread

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lattice_addons.storage.remote._faults import Where
    from lattice_addons.storage.remote._files import Listed, Sending

__all__ = ["TreeFiles"]

Result = TypeVar("Result")
_REPLACING = frozenset(
    {"file", "local", "sftp", "ssh"}
)  # here a name that is replaced is never without a file
_CACHES = frozenset({"blockcache", "cached", "filecache", "simplecache"})  # they may show what was
_READ_ONLY = frozenset({"git", "github", "http", "https", "libarchive", "tar", "zip"}) | _CACHES
_FORGOTTEN = 86_400.0
_AT_ONCE = 8
_PIECE = 8 << 20


class TreeFiles:
    """The files below a folder of a file system."""

    def __init__(self, system: Any, path: str, kind: str, where: Where) -> None:  # noqa: ANN401 - fsspec has no types
        self._system = system
        self._root = path.rstrip("/")
        self._where = where
        self._kind = kind
        self._placing = Placing(system, kind, where.url)
        self._gaps = not self._placing.whole and kind not in _REPLACING | _READ_ONLY
        self._rmdir = folder_remover(system, kind)
        self._put_file = sender(system, kind)
        self._ranges = "start" in inspect.signature(getattr(system, "_cat_file", system.cat_file)).parameters

    @property
    def conditional(self) -> bool:
        """Tell whether a name that is taken is refused in one step."""
        return self._placing.one_step

    def _path(self, key: str) -> str:
        return f"{self._root}/{key}"

    def _do(self, action: str, key: str, once: Callable[[Pulse, int], Result], length: int = 0) -> Result:
        """Make a call with a deadline, again when that may help; its errors are ours."""

        def guarded(pulse: Pulse, tried: int) -> Result:
            pulse.allow(length)
            return in_thread(lambda: once(pulse, tried), pulse)

        try:
            return persist(guarded, self._where)
        except LatticeError:
            raise
        except Exception as error:  # noqa: BLE001 - what file systems raise has no common base
            raise self._where.explain(error, action, key) from None

    # -- looking

    def check(self) -> None:
        """Look at the folder; one that is not there yet is made when something is put there."""

        def look(_: Pulse, __: int) -> None:
            with suppress(FileNotFoundError):
                self._system.ls(self._root, detail=False)

        self._do("list", "", look)

    def listing(self, folder: str) -> dict[str, Listed]:
        """Walk through all folders; what is still being written is left out."""
        return {
            key: listed(info) for key, info in self._find(folder) if not is_temporary(key.rpartition("/")[2])
        }

    def _find(self, folder: str) -> list[tuple[str, dict[str, Any]]]:
        top = self._path(folder).rstrip("/")

        def find(_: Pulse, __: int) -> dict[str, dict[str, Any]]:
            self._system.invalidate_cache()
            try:
                found: dict[str, dict[str, Any]] = self._system.find(top, detail=True)
            except (FileNotFoundError, NotADirectoryError):
                return {}
            return found

        base = self._root.lstrip("/")
        cut = len(base) + 1 if base else 0
        pairs = [(name.lstrip("/")[cut:], info) for name, info in self._do("list", folder, find).items()]
        return [(key, info) for key, info in pairs if key.startswith(folder) and info.get("type") == "file"]

    def folders(self, folder: str) -> list[str]:
        """List one folder; where empty ones stay, go by the keys below it."""
        if not self._placing.whole and self._rmdir is None:
            rests = (key[len(folder) :] for key in self.listing(folder))
            return sorted({rest.partition("/")[0] for rest in rests if "/" in rest})

        def look(_: Pulse, __: int) -> list[dict[str, Any]]:
            self._system.invalidate_cache()
            try:
                found: list[dict[str, Any]] = self._system.ls(self._path(folder).rstrip("/"), detail=True)
            except (FileNotFoundError, NotADirectoryError):
                return []
            return found

        entries = self._do("list", folder, look)
        return sorted(
            {info["name"].rstrip("/").rpartition("/")[2] for info in entries if info["type"] == "directory"}
        )

    def size(self, key: str) -> int:
        """Ask for a file's facts."""
        return self.facts(key).size

    def facts(self, key: str) -> Listed:
        """Ask for a file's facts."""
        return self._do("look at", key, lambda pulse, _: self._looked(key, lambda: self._facts(key), pulse))

    def _looked(self, key: str, look: Callable[[], Result], pulse: Pulse, length: int = 0) -> Result:
        """Look for a file; where its name may be without one for a moment, more than once."""
        if not self._gaps:
            return look()

        def heard() -> None:
            pulse.beat()
            pulse.allow(length)

        return over_gaps(self._system, self._path(key), look, heard)

    def _facts(self, key: str) -> Listed:
        info = self._system.info(self._path(key))
        if info["type"] != "file":
            raise IsADirectoryError(key)
        return listed(info)

    def read(self, key: str, start: int, stop: int | None) -> bytes:
        """Read a range; where it is empty or cut short, the size says whether it should be."""
        if start < 0 or (stop is not None and stop <= start):
            data = b""
        else:
            length = (stop - start) if stop is not None else _PIECE
            data = self._do(
                "read",
                key,
                lambda pulse, _: self._looked(key, lambda: self._range(key, start, stop), pulse, length),
                length,
            )
        if not data:
            size = self.size(key)
            if start < 0 or start > size:
                raise ends_early(self._where.url, key, size, start)
        return data

    def _range(self, key: str, start: int, stop: int | None) -> bytes:
        path = self._path(key)
        whole = start == 0 and stop is None
        if whole:
            return bytes(self._system.cat_file(path))
        size = self._facts(key).size
        # Not all of them know what to do with a range that begins at the end or goes over it.
        end = size if stop is None else min(stop, size)
        if start >= end:
            return b""
        if self._ranges:
            return bytes(self._system.cat_file(path, start=start, end=end))
        with self._system.open(path, "rb") as opened:
            opened.seek(start)
            return bytes(opened.read(end - start))

    # -- storing

    def _refuse_changes(self, key: str) -> None:
        if self._kind in _READ_ONLY:
            message = (
                f"{self._where.url} can only be read, so {key} stays as it is: {self._kind}:// knows no change in one "
                "step there; set root= to a store that can be written"
            )
            raise coded(StoreError(message, url=self._where.url, key=key), errno.EROFS)
        if self._kind in ("webdav", "dav") and is_misread(self._path(key)):
            message = (
                f"{key!r} cannot be stored in {self._where.url}: some WebDAV servers would give it another name, for "
                "the '?', the ';' or the control character in it; take another job id or root"
            )
            raise coded(StoreError(message, url=self._where.url, key=key), errno.EINVAL)

    def write(self, key: str, data: bytes, *, over: bool) -> None:
        """Store bytes."""

        def put(path: str, mode: dict[str, str], _: Pulse) -> None:
            self._system.pipe_file(path, data, **mode)

        self._store(
            key, put, len(data), over=over, same=lambda tried: tried > 0 and self.read(key, 0, None) == data
        )

    def send(self, sending: Sending) -> None:
        """Store a file's bytes."""
        key, size = sending.key, os.stat(sending.path).st_size

        def put(path: str, mode: dict[str, str], pulse: Pulse) -> None:
            if self._kind == "memory":
                with open(sending.path, "rb") as opened:
                    self._system.pipe_file(path, opened.read(), **mode)
            else:
                self._put_file(sending.path, path, callback=beating(pulse), **mode)

        self._store(key, put, size, over=sending.over, same=lambda _: self._holds(key, sending.path, size))
        if sending.tell is not None:
            sending.tell(size)

    def _store(self, key: str, put: Put, size: int, *, over: bool, same: Callable[[int], bool]) -> None:
        """Store in one step, or look and then store; ``same`` tells whether what is there is what was meant."""
        self._refuse_changes(key)

        def once(pulse: Pulse, tried: int) -> None:
            try:
                self._placing.place(self._path(key), put, pulse, over=over)
            except Exception as error:
                # After an answer that was lost we meet what we have stored ourselves.
                if over or meaning(error) != THERE or not same(tried):
                    raise

        self._do("write", key, once, size)

    def _holds(self, key: str, path: str, size: int) -> bool:
        if self.size(key) != size:
            return False
        with open(path, "rb") as opened:
            return all(
                self.read(key, at, at + _PIECE) == opened.read(_PIECE) for at in range(0, size, _PIECE)
            )

    # -- removing

    def delete(self, keys: Sequence[str]) -> None:
        """Remove files, several at once."""

        def remove(key: str) -> None:
            self._refuse_changes(key)

            def once(_: Pulse, __: int) -> None:
                try:
                    self._system.rm_file(self._path(key))
                except Exception as error:
                    if meaning(error) != GONE:
                        raise

            self._do("delete", key, once)

        if keys:
            all_of([partial(remove, key) for key in keys], _AT_ONCE)

    def prune(self, folder: str) -> None:
        """Remove empty folders, deepest first, where the system refuses one in which something was put."""
        remove = self._rmdir
        if remove is None:
            return

        def once(_: Pulse, __: int) -> None:
            self._system.invalidate_cache()
            found = self._system.find(self._path(folder).rstrip("/"), withdirs=True, detail=True)
            below = [name for name, info in found.items() if info["type"] == "directory"]
            for each in sorted(below, key=len, reverse=True):
                with suppress(Exception):  # not empty, each system has its own error for it; then it stays
                    remove(each.rstrip("/"))
            self._placing.forget_folders()

        with suppress(FileNotFoundError):
            self._do("prune", folder, once)

    def sweep(self, folder: str) -> int:
        """Remove temporaries that are a day old."""
        names = [(key, listed(info).modified) for key, info in self._find(folder)]
        old = time.time() - _FORGOTTEN
        dead = [key for key, since in names if is_temporary(key.rpartition("/")[2]) and since and since < old]
        self.delete(dead)
        return len(dead)
