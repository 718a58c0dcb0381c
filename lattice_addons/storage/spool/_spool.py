"""The local folder of a remote store: what was written here first, and how far it has gone."""

from __future__ import annotations

import hashlib
import os
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import orjson

from lattice_addons.errors import NotInStoreError
from lattice_addons.storage._keys import split_key, ulid
from lattice_addons.storage._local import LocalStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["LOCAL_NAMES", "Spool", "public", "stamp"]

# Of this machine alone: not sent.
LOCAL_NAMES = frozenset({"lease.json"})
_SECRET = re.compile(r"secret|token|passw|passphrase|credential|(^|_)(key|keys|auth)$", re.IGNORECASE)

Stamp = list[int]


def public(options: Mapping[str, str]) -> dict[str, str]:
    """Give the options that are no secrets, and so may be written down and tell stores apart."""
    return {name: value for name, value in sorted(options.items()) if not _SECRET.search(name)}


def shown(url: str) -> str:
    """Give a URL without the password in it."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    return urlunsplit(parts._replace(netloc=f"{parts.username}@{parts.netloc.rpartition('@')[2]}"))


def stamp(path: str) -> Stamp:
    """Give what tells a file from another one that was put in its place: its size and its time."""
    facts = os.stat(path, follow_symlinks=False)
    return [facts.st_size, facts.st_mtime_ns]


class Spool:
    """The folders and the small records of one remote store on this machine.

    ``folder`` is always that of a rank, ``job/rank-00000/``; keys are those of the store.
    """

    def __init__(self, top: str, url: str, options: Mapping[str, str] | None = None) -> None:
        self.url = shown(url.rstrip("/"))
        told = public(options or {})
        digest = hashlib.blake2b(orjson.dumps([self.url, told]), digest_size=4).hexdigest()
        name = re.sub(r"[^A-Za-z0-9.]+", "-", self.url).strip("-.")[-60:]
        self._make(os.path.join(top, f"{name}-{digest}"))
        if "store.json" not in self._home.list():
            about = orjson.dumps({"url": self.url, "options": told}, option=orjson.OPT_INDENT_2)
            self._home.replace("store.json", about + b"\n")

    def _make(self, home: str) -> None:
        self.home = home
        self._home = LocalStore(home)
        self.store = LocalStore(os.path.join(home, "store"))
        self._state = LocalStore(os.path.join(home, "state"))
        self.cache = os.path.join(home, "cache")

    @classmethod
    def at(cls, home: str) -> tuple[Spool, dict[str, str]]:
        """Open a spool that is there, for who knows only its folder; give its public options, too."""
        about = orjson.loads(LocalStore(home, create=False).read("store.json"))
        spool = cls.__new__(cls)
        spool.url = about["url"]
        spool._make(home)
        return spool, about["options"]

    def __repr__(self) -> str:
        """Show which one it is."""
        return f"<Spool {self.home} of {self.url}>"

    def path(self, key: str) -> str:
        """Give the file of a key."""
        return os.path.join(self.store.root, *split_key(key))

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
        return [key for key in self.store.list(folder) if key.rpartition("/")[2] not in LOCAL_NAMES]

    # -- records

    def uploaded(self, folder: str) -> dict[str, Stamp]:
        """Give the keys that are up, each with the stamp that its file had when it was sent."""
        return dict(self._record(f"{folder}uploaded.json") or {})

    def set_uploaded(self, folder: str, keys: Mapping[str, Stamp]) -> None:
        """Write down what is up; the uploader's alone."""
        self._write(f"{folder}uploaded.json", keys)

    def gone(self, folder: str) -> dict[str, list[str]]:
        """Give what was deleted here and is to be deleted there, by the names of the records."""
        found = {key.rpartition("/")[2]: self._record(key) for key in self._state.list(f"{folder}gone/")}
        return {name: keys for name, keys in found.items() if keys is not None}

    def add_gone(self, folder: str, keys: Iterable[str]) -> None:
        """Write down, durably, that these are to be deleted there."""
        self._write(f"{folder}gone/{ulid()}.json", list(keys))

    def drop_gone(self, folder: str, names: Iterable[str]) -> None:
        """Forget records of what is deleted there by now."""
        self._state.delete(f"{folder}gone/{name}" for name in names)

    def claim(self, folder: str) -> dict[str, Any] | None:
        """Give this machine's claim on a folder; None when it has none."""
        claim: dict[str, Any] | None = self._record(f"{folder}claim.json")
        return claim

    def set_claim(self, folder: str, claim: Mapping[str, Any] | None) -> None:
        """Write down this machine's claim, or that it has none."""
        self._write(f"{folder}claim.json", claim)

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
