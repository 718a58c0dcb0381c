"""A line that was put aside stays whole on this machine, until somebody chooses."""

from __future__ import annotations

import os
import socket
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import orjson

from lattice_addons._system import link, sync_folder
from lattice_addons.errors import NotInStoreError, StoreError
from lattice_addons.storage._faults import told
from lattice_addons.storage._local import LocalStore
from lattice_addons.storage._store import Store

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from typing import NoReturn

    from lattice_addons.storage._reader import Reader
    from lattice_addons.storage._store import Bytes, Keys, Writer
    from lattice_addons.storage.spool._spool import Spool

__all__ = ["Aside", "Asides"]

_ABOUT = "aside.json"


@dataclass(frozen=True)
class Aside:
    """A rank's line that was put aside, under this number; ``store`` reads it, ``about`` says what was known then."""

    __module__ = "lattice_addons.storage"

    number: int
    folder: str
    about: dict[str, Any]
    store: AsideStore

    @property
    def ours(self) -> str:
        """Say which line it is."""
        return _told(self.about.get("ours"))

    @property
    def theirs(self) -> str:
        """Say which line went on."""
        return _told(self.about.get("theirs"))


class Asides:
    """The lines of one spool that were put aside: ``aside/<number>/<job>/rank-00000/``."""

    def __init__(self, spool: Spool, store: Store) -> None:
        self._spool = spool
        self._store = store
        self._top = os.path.join(spool.home, "aside")
        self._needed: dict[str, frozenset[str]] = {}

    def of(self, folder: str) -> list[Aside]:
        """Give the lines of a rank that were put aside."""
        return [self._open(number, folder) for number in self._numbers() if self._is_there(number, folder)]

    def needed(self, folder: str) -> Collection[str]:
        """Give the keys of a rank that stay though they are deleted: a line that was put aside may need them."""
        if folder not in self._needed:
            packs = (key for aside in self.of(folder) for key in aside.about.get("needs", ()))
            self._needed[folder] = frozenset(packs)
        return self._needed[folder]

    def put(self, folder: str, ours: int, theirs: int) -> Aside:
        """Put aside what is in the spool of a rank, whole, and give it; the lease stays."""
        number = 1
        # It may be only what is left of one that was dropped.
        while os.path.lexists(self._path(number, folder)):
            number += 1
        packs = f"{folder}packs/"
        here = set(self._spool.store.list(packs))
        about = {
            "ours": self._describe(folder, ours, socket.gethostname()),
            "theirs": self._describe(folder, theirs, None, elsewhere=True),
            # Which of these its checkpoints name, only a reader of manifests knows.
            "needs": [key for key in self._store.list(packs) if key not in here],
        }
        # Moved with the rest, in one step: no line is ever aside without it.
        self._spool.store.replace(
            f"{folder}{_ABOUT}", orjson.dumps(about, option=orjson.OPT_INDENT_2) + b"\n"
        )
        source, target = self._spool.folder_path(folder), self._path(number, folder)
        with told("put aside", source):
            os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
            os.rename(source, target)
            os.makedirs(source, mode=0o700, exist_ok=True)
            with suppress(FileNotFoundError):
                os.rename(os.path.join(target, "lease.json"), os.path.join(source, "lease.json"))
            for place in (target, os.path.dirname(target), source, os.path.dirname(source)):
                sync_folder(place)
        self._needed.pop(folder, None)
        return self._open(number, folder)

    def give(self, aside: Aside, keys: Iterable[str]) -> None:
        """Let keys of a line that was put aside be in the spool, too."""
        for key in keys:
            source = os.path.join(aside.store.root, key)
            target = self._spool.path(key)
            with told("take back", source):
                os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
                with suppress(FileExistsError, FileNotFoundError):
                    link(source, target)
                    # Another time than it may have been sent with: it may not be there any more.
                    os.utime(target)
                sync_folder(os.path.dirname(target))

    def drop(self, aside: Aside) -> None:
        """Forget a line that was put aside."""
        local = LocalStore(aside.store.root)
        local.delete(local.list(aside.folder))
        local.prune(aside.folder)
        local.prune(aside.folder.partition("/")[0])
        with suppress(OSError):
            os.rmdir(aside.store.root)
        self._needed.pop(aside.folder, None)

    def _numbers(self) -> list[int]:
        try:
            names = os.listdir(self._top)
        except OSError:
            return []
        return sorted(int(name) for name in names if name.isdecimal())

    def _path(self, number: int, folder: str) -> str:
        return os.path.join(self._top, str(number), folder.removesuffix("/"))

    def _is_there(self, number: int, folder: str) -> bool:
        return os.path.isfile(os.path.join(self._path(number, folder), _ABOUT))

    def _open(self, number: int, folder: str) -> Aside:
        store = AsideStore(os.path.join(self._top, str(number)), self._store)
        try:
            about = orjson.loads(store.read(f"{folder}{_ABOUT}"))
        except orjson.JSONDecodeError:
            about = {}
        return Aside(number, folder, about if isinstance(about, dict) else {}, store)

    def _describe(
        self, folder: str, number: int, host: str | None, *, elsewhere: bool = False
    ) -> dict[str, Any]:
        """Say of a checkpoint where and when it was made, as far as its manifest says so."""
        key = f"{folder}checkpoints/{number:012d}.json"
        told: Any = None
        with suppress(StoreError, orjson.JSONDecodeError):
            told = orjson.loads(self._store.read(key) if elsewhere else self._spool.store.read(key))
        manifest = told if isinstance(told, dict) else {}
        program = manifest.get("program")
        maker = program.get("host") if isinstance(program, dict) else None
        parted = datetime.now(timezone.utc).isoformat(timespec="seconds")
        return {"number": number, "host": host or maker, "created": manifest.get("created"), "found": parted}


class AsideStore(Store):
    """A line that was put aside, for reading; packs that it has not are those of the job."""

    def __init__(self, root: str, job_store: Store) -> None:
        self.root: str = root
        self.url: str = root
        self._local = LocalStore(root, create=False)
        self._rest = job_store

    def read(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """Give the bytes of a key."""
        return self._where(key).read(key, start, stop)

    @contextmanager
    def reading(self, key: str, *, direct: bool = False) -> Iterator[Reader]:
        """Open a key to read from it more than once."""
        with self._where(key).reading(key, direct=direct) as reader:
            yield reader

    def size(self, key: str) -> int:
        """Give the number of bytes of a key."""
        return self._where(key).size(key)

    def list(self, prefix: str = "") -> Keys:
        """Give every key of the line below a folder."""
        return self._local.list(prefix)

    def prefetch(self, ranges: Iterable[tuple[str, int, int]]) -> None:
        """Have ranges at hand."""
        self._rest.prefetch(each for each in ranges if not self._has(each[0]))

    def put(self, key: str, data: Bytes) -> None:
        """Refuse it."""
        del data
        self._refuse(key)

    def replace(self, key: str, data: Bytes) -> None:
        """Refuse it."""
        del data
        self._refuse(key)

    @contextmanager
    def create(self, key: str) -> Iterator[Writer]:
        """Refuse it."""
        self._refuse(key)
        yield

    def delete(self, keys: Iterable[str]) -> None:
        """Refuse it."""
        for key in keys:
            self._refuse(key)

    def _where(self, key: str) -> Store:
        return self._local if self._has(key) or not key.endswith(".pack") else self._rest

    def _has(self, key: str) -> bool:
        try:
            self._local.size(key)
        except NotInStoreError:
            return False
        return True

    def _refuse(self, key: str) -> NoReturn:
        message = f"{key} in {self.url} is of a line that was put aside: `lattice choose` lets it go on"
        raise StoreError(message, url=self.url, key=key)


def _told(told: object) -> str:
    facts = told if isinstance(told, dict) else {}
    host = f"host {facts['host']}" if facts.get("host") else "another machine"
    created = str(facts.get("created") or facts.get("found") or "")[:19].replace("T", " ")
    return f"checkpoint {facts.get('number', '?')} of {host} ({created})"
