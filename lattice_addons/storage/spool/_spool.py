"""The local folder of a remote store: what was written here first, and how far it has gone."""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import orjson

from lattice_addons._owner import Owner
from lattice_addons.errors import NotInStoreError
from lattice_addons.storage._faults import told
from lattice_addons.storage._keys import split_key, ulid
from lattice_addons.storage._local import LocalStore
from lattice_addons.storage.remote import without_secrets

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from contextlib import AbstractContextManager

__all__ = ["LOCAL_NAMES", "Spool", "is_local", "public", "stamp"]

# Of this machine alone: not sent.
LOCAL_NAMES = frozenset({"lease.json"})
_SECRET = re.compile(
    r"secret|token|passw|passphrase|credential|signature|authorization|headers|cookie|conn(ection)?_?str"
    r"|(^|[_.])(key|keys|auth|pass|pwd|pat|sas|sig)$",
    re.IGNORECASE,
)
# Within a value: a name and a password before a host; or, in JSON, a part with such a name.
_SECRET_VALUE = re.compile(r"//[^/@\s]*:[^/@\s]*@")
_NAMES_IN_VALUE = re.compile(r"""["']([^"']*)["']\s*:""")

# So many that are not there yet are remembered: those before them are superseded, and may never be sent.
_FLOORS = 3

Stamp = list[int]


def is_local(key: str) -> bool:
    """Say whether a key is of this machine alone."""
    return key.rpartition("/")[2] in LOCAL_NAMES


def public(options: Mapping[str, str]) -> dict[str, str]:
    """Give the options that are no secrets, and so may be written down and tell stores apart."""
    return {name: value for name, value in sorted(options.items()) if not _is_secret(name, value)}


def _is_secret(name: str, value: str) -> bool:
    names = (name, *_NAMES_IN_VALUE.findall(value))
    return any(map(_SECRET.search, names)) or _SECRET_VALUE.search(value) is not None


def stamp(path: str) -> Stamp:
    """Give what tells a file from another one that was put in its place: its size and its time."""
    facts = os.stat(path, follow_symlinks=False)
    return [facts.st_size, facts.st_mtime_ns]


class Spool:
    """The folders and the small records of one remote store on this machine.

    ``folder`` is always that of a rank, ``job/rank-00000/``; keys are those of the store.
    """

    def __init__(self, top: str, url: str, options: Mapping[str, str] | None = None) -> None:
        self.url: str = without_secrets(url.rstrip("/"))
        known = public(options or {})
        with told("make the spool's folder", top):
            os.makedirs(top, mode=0o700, exist_ok=True)
        self.options: dict[str, str] = known
        self._make(os.path.join(top, self.name_of(url, known)))
        self.mark()

    def mark(self) -> None:
        """Write down, where that is not so, what this is the spool of: by this the uploader and commands know."""
        # A folder that was deleted may be on a disk that is away: it is not made here.
        if os.path.isdir(self.home) and not os.path.isfile(os.path.join(self.home, "store.json")):
            about = orjson.dumps({"url": self.url, "options": self.options}, option=orjson.OPT_INDENT_2)
            self._home.replace("store.json", about + b"\n")

    @staticmethod
    def name_of(url: str, options: Mapping[str, str]) -> str:
        """Give the name of the folder in which the spool of a store is."""
        told = without_secrets(url.rstrip("/"))
        digest = hashlib.blake2b(orjson.dumps([told, public(options)]), digest_size=4).hexdigest()
        return re.sub(r"[^A-Za-z0-9.]+", "-", told).strip("-.")[-60:] + f"-{digest}"

    def _make(self, home: str) -> None:
        self.home = home
        self._home = LocalStore(home)
        self.store: LocalStore = LocalStore(os.path.join(home, "store"))
        self._state = LocalStore(os.path.join(home, "state"))
        self.cache: str = os.path.join(home, "cache")

    @classmethod
    def at(cls, home: str) -> tuple[Spool, dict[str, str]]:
        """Open a spool that is there, for who knows only its folder; give its public options, too."""
        about = orjson.loads(LocalStore(home, create=False).read("store.json"))
        spool = cls.__new__(cls)
        spool.url, spool.options = about["url"], about["options"]
        spool._make(home)
        return spool, about["options"]

    def __repr__(self) -> str:
        """Show which one it is."""
        return f"<Spool {self.home} of {self.url}>"

    def path(self, key: str) -> str:
        """Give the file of a key."""
        return os.path.join(self.store.root, *split_key(key))

    def folder_path(self, folder: str) -> str:
        """Give where the keys of a rank's folder are."""
        return os.path.join(self.store.root, *split_key(folder, folder=True))

    @property
    def place(self) -> str:
        """Tell this spool from every other one, also from a copy of it on another machine."""
        facts = os.stat(self.home)
        return f"{Owner.current().boot_id}:{facts.st_dev}:{facts.st_ino}"

    def folders(self) -> list[str]:
        """Give the folders of all ranks that have something here, or something to be deleted there."""
        return sorted(
            {
                f"{job}/{rank}/"
                for top in (self.store, self._state)
                for job in top.folders()
                for rank in top.folders(job)
                if rank.startswith("rank-")
            }
        )

    def here(self, folder: str) -> list[str]:
        """Give the keys that are here and belong into the remote store."""
        return [key for key in self.store.list(folder) if not is_local(key)]

    # -- records

    def uploaded(self, folder: str) -> dict[str, Stamp]:
        """Give the keys that are up, each with the stamp that its file had when it was sent."""
        return dict(self._record(f"{folder}uploaded.json") or {})

    def uploaded_path(self, folder: str) -> str:
        """Give the file that says what is up."""
        return os.path.join(self._state.root, folder, "uploaded.json")

    def set_uploaded(self, folder: str, keys: Mapping[str, Stamp]) -> None:
        """Write down what is up; the uploader's alone."""
        self._write(f"{folder}uploaded.json", keys)

    def gone(self, folder: str, besides: Collection[str] = ()) -> dict[str, list[str]]:
        """Give what was deleted here and is to be deleted there, by the names of the records, oldest first."""
        names = [key.rpartition("/")[2] for key in self._state.list(f"{folder}gone/")]
        found = {name: self._record(f"{folder}gone/{name}") for name in names if name not in besides}
        return {name: keys for name, keys in found.items() if isinstance(keys, list)}

    def add_gone(self, folder: str, keys: Iterable[str]) -> None:
        """Write down, durably, that these are to be deleted there; behind all that was written down before."""
        name = f"{ulid()}.json"
        last = max((key.rpartition("/")[2] for key in self._state.list(f"{folder}gone/")), default="")
        if name <= last:  # by a clock that was set back, or in one instant
            known, _, count = last.removesuffix(".json").partition("_")
            name = f"{known}_{int(count or 0) + 1:09d}.json"
        self.set_gone(folder, name, keys)

    def set_gone(self, folder: str, name: str, keys: Iterable[str]) -> None:
        """Write down, in the place of a record, what of it is still to be deleted there."""
        self._write(f"{folder}gone/{name}", list(keys))

    def drop_gone(self, folder: str, names: Iterable[str]) -> None:
        """Forget records of what is deleted there by now."""
        self._state.delete(f"{folder}gone/{name}" for name in names)

    def take_back(self, folder: str, key: str) -> None:
        """Let a key not be deleted there that was to be."""
        for name, keys in self.gone(folder).items():
            if key in keys:
                rest = [other for other in keys if other != key]
                if rest:
                    self.set_gone(folder, name, rest)
                else:
                    self.drop_gone(folder, [name])

    def claim(self, folder: str) -> dict[str, Any] | None:
        """Give this machine's claim on a folder; None when it has none."""
        claim: dict[str, Any] | None = self._record(f"{folder}claim.json")
        return claim

    def set_claim(self, folder: str, claim: Mapping[str, Any] | None) -> None:
        """Write down this machine's claim, or that it has none."""
        self._write(f"{folder}claim.json", claim)

    def claiming(self, folder: str) -> AbstractContextManager[None]:
        """Let one process of this machine at a time decide what its claim is."""
        return self._state.exclusive(folder)

    def seen(self, folder: str) -> set[int] | None:
        """Give the numbers of the checkpoints there when this machine last looked; None when it never did."""
        record = self._record(f"{folder}seen.json")
        return set(record) if isinstance(record, list) else None

    def set_seen(self, folder: str, numbers: Iterable[int]) -> None:
        """Write down the numbers of the checkpoints there."""
        found = sorted(numbers)
        if set(found) != self.seen(folder):
            self._write(f"{folder}seen.json", found)

    def floors(self, folder: str) -> list[str]:
        """Give the checkpoints, each of which, once it is there, lets no other rank need an older one of this."""
        record = self._record(f"{folder}floors.json")
        return [key for key in record if isinstance(key, str)] if isinstance(record, list) else []

    def add_floor(self, folder: str, key: str) -> None:
        """Write down, durably, one more such checkpoint, before what is older is to go."""
        known, sent = self.floors(folder), self.uploaded(folder)
        if key not in known:
            there = [each for each in known if each in sent][-1:]
            waiting = [each for each in known if each not in sent][-_FLOORS:]
            self._write(f"{folder}floors.json", [*there, *waiting, key])

    def trouble(self, folder: str) -> dict[str, Any] | None:
        """Say what keeps the uploader from its work, and since when; None when nothing does."""
        trouble: dict[str, Any] | None = self._record(f"{folder}trouble.json")
        return trouble

    def set_trouble(self, folder: str, trouble: Mapping[str, Any] | None) -> None:
        """Write down what keeps the uploader from its work, or that nothing does."""
        self._write(f"{folder}trouble.json", trouble)

    def parts(self, key: str) -> str:
        """Give the path at which the state of an upload in parts may be kept; its folder is there."""
        folder, _, name = key.rpartition("/")
        top = "/".join(folder.split("/")[:2])
        place = os.path.join(self._state.root, *split_key(top), "parts")
        os.makedirs(place, mode=0o700, exist_ok=True)
        return os.path.join(place, f"{name}.json")

    def drop_parts(self, folder: str) -> None:
        """Forget uploads in parts of what is not here any more, when nothing is left to be sent."""
        # Straight from the folder: what is half written there has no key's name.
        with suppress(OSError):
            for name in os.listdir(
                place := os.path.join(self._state.root, *split_key(folder, folder=True), "parts")
            ):
                os.unlink(os.path.join(place, name))

    def _record(self, key: str) -> Any:  # noqa: ANN401 - as JSON
        try:
            return orjson.loads(self._state.read(key))
        except (NotInStoreError, orjson.JSONDecodeError):
            return None

    def _write(self, key: str, record: object) -> None:
        if record is None:
            self._state.delete([key])
        else:
            self._state.replace(key, orjson.dumps(record, option=orjson.OPT_INDENT_2) + b"\n")
