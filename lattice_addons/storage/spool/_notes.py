"""What several machines tell of refused saves stays together: who begins takes in what the others have told."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from lattice_addons.errors import LatticeError, NotInStoreError
from lattice_addons.storage.spool._pending import NOTE, stamps

if TYPE_CHECKING:
    from collections.abc import Collection

    from lattice_addons.storage.remote import RemoteStore
    from lattice_addons.storage.spool._spool import Spool

__all__ = ["take_in"]

# Of each of two machines all that it keeps; whoever writes the next one leaves half of it.
_MOST, _BYTES = 40, 512 * 1024


def take_in(spool: Spool, remote: RemoteStore, folder: str, listed: Collection[str]) -> None:
    """Put what is told of a rank in the remote store before what is told here: what is sent next has both.

    Who adds to it reads nothing but what is here. It is for people: what cannot be read is left alone.
    """
    key = f"{folder}{NOTE}"
    if key not in listed:
        return
    with suppress(LatticeError):
        there = _lines(remote.read(key, 0, _BYTES))
        here = _here(spool, key)
        # What was sent from here is what others have added to: of that they have left out what is old.
        new = [] if _is_sent(spool, folder, key) else [line for line in here if line not in there]
        both = [*there, *new][-_MOST:]
        # A program that runs meanwhile may have added something: then what it says stands.
        if there and both != here and _here(spool, key) == here:
            spool.store.replace(key, b"".join(line + b"\n" for line in both))


def _here(spool: Spool, key: str) -> list[bytes]:
    try:
        return _lines(spool.store.read(key, 0, _BYTES))
    except NotInStoreError:
        return []


def _lines(data: bytes) -> list[bytes]:
    """Give what may be lines of it; others may have put anything there."""
    return [line for line in data.splitlines() if line.startswith(b"{")]


def _is_sent(spool: Spool, folder: str, key: str) -> bool:
    return stamps(spool, [key]).get(key) == spool.uploaded(folder).get(key)
