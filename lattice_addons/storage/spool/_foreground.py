"""What is in a spool goes up while somebody looks on."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lattice_addons.errors import NoAccessError, NotInStoreError
from lattice_addons.storage.remote import RemoteStore
from lattice_addons.storage.spool._holding import Holding
from lattice_addons.storage.spool._pauses import Pauses
from lattice_addons.storage.spool._pending import pending
from lattice_addons.storage.spool._poke import URGENT
from lattice_addons.storage.spool._process import lock, open_poke
from lattice_addons.storage.spool._spool import Spool
from lattice_addons.storage.spool._tokens import handed, token_for
from lattice_addons.storage.spool._turn import ROOM, Outcome, take_turn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["NotUp", "not_up", "spools", "upload"]

_LOOK = 0.1
# How long one that is about to end may still have the lock, in seconds.
_HANDOVER = 1.0


@dataclass(frozen=True)
class NotUp:
    """What of a rank is not in the remote store, and why; ``kind`` is the name of an error's class."""

    folder: str
    checkpoints: int
    bytes: int
    kind: str
    error: str


def spools(top: str) -> list[Spool]:
    """Give the spool that is at a folder, or those that are in it.

    Raises:
        NotInStoreError: there is none.
    """
    homes = [top] if _is_spool(top) else []
    if not homes and os.path.isdir(top):
        homes = [
            home for home in (os.path.join(top, name) for name in sorted(os.listdir(top))) if _is_spool(home)
        ]
    if not homes:
        message = (
            f"there is no spool at {top}: name one by --spool, or set `spool` to the folder that holds them"
        )
        raise NotInStoreError(message, url=top, key="store.json")
    return [Spool.at(home)[0] for home in homes]


def _is_spool(home: str) -> bool:
    return os.path.isfile(os.path.join(home, "store.json"))


def upload(
    spool: Spool,
    url: str,
    options: Mapping[str, str],
    tell: Callable[[str, int, int], None],
    *,
    patience: float = 30.0,
) -> list[NotUp]:
    """Send what is in a spool, in this process, or wait for the uploader that does; give what is not up then.

    ``tell`` is told which key is on its way, how many bytes are up, and of how many. ``options`` add to those that
    the spool knows, which are no secrets.
    """
    begun = time.time()
    known = Spool.at(spool.home)[1] | dict(options)
    remote = RemoteStore(url, known, patience=patience)
    token = token_for(url, known)
    while True:
        held = lock(spool.home, _HANDOVER)
        if held is not None:
            try:
                _send(spool, remote, tell)
            finally:
                os.close(held)
            break
        if _wait(spool, begun, tell, token):
            break
    return not_up(spool)


def _send(spool: Spool, remote: RemoteStore, tell: Callable[[str, int, int], None]) -> None:
    holding, pauses = Holding(spool, remote), Pauses()
    holding.keep_renewing(lambda: None)
    while take_turn(spool, remote, holding, tell, pauses) is Outcome.AGAIN:
        pass


def _wait(spool: Spool, begun: float, tell: Callable[[str, int, int], None], token: str | None) -> bool:
    """Wait for the uploader that runs; say whether it has done, or tried in vain, all that it could."""
    of = 0
    # Held meanwhile: a program waits, so the uploader does not end with work left.
    pipe = open_poke(spool.home)
    try:
        refused = {} if token is None else _refused(spool)
        for folder in refused:
            # Who was refused may have had another token; who was not keeps that one.
            os.write(pipe, handed(folder, token))
        os.write(pipe, URGENT)
        while True:
            left = sum(pending(spool, folder).bytes for folder in spool.folders())
            of = max(of, left)
            tell("", of - left, of)
            if not left or any(
                _tried(spool, folder, begun, refused.get(folder)) for folder in spool.folders()
            ):
                return True
            free = lock(spool.home)
            if free is not None:
                os.close(free)
                return False  # it has died, and the work is ours
            time.sleep(_LOOK)
    finally:
        os.close(pipe)


def _refused(spool: Spool) -> dict[str, int]:
    """Give the folders for which the uploader was let in nowhere, and how often."""
    troubles = ((folder, spool.trouble(folder) or {}) for folder in spool.folders())
    return {
        folder: int(trouble.get("times", 0))
        for folder, trouble in troubles
        if trouble.get("kind") == NoAccessError.__name__
    }


def _tried(spool: Spool, folder: str, since: float, refused: int | None) -> bool:
    trouble = spool.trouble(folder) or {}
    if refused is not None and trouble.get("kind") == NoAccessError.__name__:
        # The first one may have been on its way when the token was handed over.
        return int(trouble.get("times", 0)) >= refused + 2
    return float(trouble.get("tried", 0.0)) >= since


def not_up(spool: Spool) -> list[NotUp]:
    """Give what of each rank is in a spool, and not in the remote store yet."""
    found = []
    for folder in spool.folders():
        left = pending(spool, folder)
        trouble: dict[str, Any] = spool.trouble(folder) or {}
        if left.keys:
            error = (
                str(trouble.get("error", "more was saved meanwhile")) if trouble.get("kind") != ROOM else ""
            )
            found.append(NotUp(folder, left.checkpoints, left.bytes, str(trouble.get("kind", "")), error))
    return found
