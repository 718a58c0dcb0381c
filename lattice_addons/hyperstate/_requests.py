"""A change to a running program is a small file beside its checkpoints, and so is the program's answer."""

from __future__ import annotations

import json
import socket
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING, NamedTuple

from lattice_addons._host import user_number
from lattice_addons.errors import NotInStoreError
from lattice_addons.storage import ulid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lattice_addons.storage import Store

__all__ = ["Request", "Requests", "now", "who"]

# How often a store on the other side of a network is asked, in seconds.
_ELSEWHERE = 10.0
# Answers that nobody came to read are removed after so many.
_KEPT_ANSWERS = 100


class Request(NamedTuple):
    """Overrides that somebody wants a running program to take over."""

    name: str
    overrides: tuple[str, ...]
    by: str
    at: str


def who() -> str:
    """Say who asks, for the log."""
    import getpass

    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (KeyError, OSError):  # a user without a name
        return f"{user_number()}@{socket.gethostname()}"


def now() -> str:
    """Give the time as checkpoints have it."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


class Requests:
    """The requests to change the config of a running program, and its answers: those of one rank."""

    __module__ = "lattice_addons.hyperstate"

    def __init__(self, store: Store, folder: str) -> None:
        self._store = store.shared
        self._every = 0.0 if self._store is store and store.at_home else _ELSEWHERE
        self._requests, self._answers = f"{folder}requests/", f"{folder}answers/"
        self._next = 0.0

    def ask(self, overrides: Sequence[str], by: str = "") -> str:
        """Put a request, of this user if nobody else is named; its name is what the answer is found by."""
        name = ulid()
        told = {"overrides": list(overrides), "by": by or who(), "at": now()}
        self._store.put(f"{self._requests}{name}.json", json.dumps(told, ensure_ascii=False).encode())
        return name

    def waiting(self) -> list[Request]:
        """Give the requests that nobody has answered, in the order in which they came.

        Raises:
            StoreError: they cannot be read now.
        """
        if time.monotonic() < self._next:
            return []
        self._next = time.monotonic() + self._every
        found = map(self._request, self._store.list(self._requests))
        return [request for request in found if request is not None]

    def answer(self, request: Request, message: str, *, accepted: bool) -> None:
        """Answer a request, which is done with; another time, too, where the first one broke off."""
        text = json.dumps({"accepted": accepted, "message": message}, ensure_ascii=False)
        # In the place of one that is there: what came after it may have failed the last time.
        self._store.replace(f"{self._answers}{request.name}.json", text.encode())
        self._store.delete(
            [f"{self._requests}{request.name}.json", *self._store.list(self._answers)[:-_KEPT_ANSWERS]]
        )

    def answer_to(self, name: str) -> tuple[bool, str] | None:
        """Give whether a request was accepted, and why; None while there is no answer. It is read only once."""
        key = f"{self._answers}{name}.json"
        try:
            told = json.loads(self._store.read(key))
        except NotInStoreError:
            return None
        self._store.delete([key])
        return bool(told["accepted"]), str(told["message"])

    def take_back(self, name: str) -> bool:
        """Remove a request; say whether it was still there."""
        key = f"{self._requests}{name}.json"
        there = key in self._store.list(self._requests)
        self._store.delete([key])
        return there

    def _request(self, key: str) -> Request | None:
        """Give a request; None where it was taken back in this moment."""
        name = key.rpartition("/")[2].removesuffix(".json")
        try:
            told = json.loads(self._store.read(key))
            return Request(name, tuple(map(str, told["overrides"])), str(told["by"]), str(told["at"]))
        except NotInStoreError:
            return None
        except (ValueError, KeyError, TypeError):
            # A stray file: it is refused as a request that says nothing.
            return Request(name, (), "unknown", now())
