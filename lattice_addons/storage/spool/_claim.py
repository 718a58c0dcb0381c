"""One machine at a time writes a rank's line in a remote store: the claim of a dead one expires."""

from __future__ import annotations

import errno
import logging
import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import orjson

from lattice_addons._owner import Owner
from lattice_addons.errors import LeaseHeldError, NotInStoreError, StoreError
from lattice_addons.storage._keys import ulid

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lattice_addons.storage._store import Store
    from lattice_addons.storage.remote import RemoteStore
    from lattice_addons.storage.spool._spool import Spool

__all__ = [
    "CLAIMS", "EXPIRY", "RENEWAL", "Claim", "drop", "give_back", "is_over", "keep", "renew", "take", "told"
]  # fmt: skip

_log = logging.getLogger("lattice_addons.storage")
#: Who claims, by number: {number, session, nonce, renewed, owner, by}; ``left`` when the owner writes no more,
#: ``follows`` when it was taken after one of the same spool, which had it all the time, and ``place`` that spool.
Claim = dict[str, Any]
#: The folder of claims within that of a rank. Those of old ones go when a new one is made.
CLAIMS = "claims/"
#: A claim that was not renewed for so long is dead, and how often one is renewed, in seconds.
EXPIRY, RENEWAL = 60.0, 15.0
# How far the clock of who looks may be ahead of the others.
_CLOCKS = 15 * 60.0
# How often one looks whether a claim is renewed; and how long another's write may take to be seen, in a store that
# refuses no second one.
_LOOK, _SETTLE = 3.0, 0.5
_TRIES = 10
_NUMBER = re.compile(r"([0-9]{8,})\.json", re.ASCII)


def take(  # noqa: PLR0913 - whose it is, and of whom it would be
    remote: Store,
    folder: str,
    listed: Iterable[str],
    owner: Owner,
    known: Claim | None = None,
    *,
    place: str = "",
) -> tuple[Claim, bool]:
    """Take the claim on a rank's folder, of which these keys are there; ``known`` is one of this very spool.

    So are those that say that they were taken at this ``place``: whose program may write here, the spool itself knows.

    Claims have numbers, each is put as a new key, and the largest counts: of two that take the same, one is refused.
    The second of what is given says whether another machine had a claim: it may have stored more than was listed.

    Raises:
        LeaseHeldError: another machine writes there.
    """
    numbers = _numbers(folder, listed)
    session, before = ((known or {}).get(name) or None for name in ("session", "follows"))
    another = False
    for _ in range(_TRIES):
        follows = ""
        for number in numbers:
            held = _read(remote, folder, number)
            # This one; or one that was taken after it by another process of this machine, in this moment.
            if held is not None and session and session in (held.get("session"), held.get("follows")):
                follows = session
            elif held is None:
                another = True
            # The one before that may be there again: it was renewed in the moment in which it was followed.
            elif not _is_from_here(held, before, place):
                another = True
                _judge(remote, folder, number, held)
        claim = _made(max(numbers, default=0) + 1, ulid(), owner) | {"follows": follows, "place": place}
        if _put(remote, folder, claim):
            if numbers:
                remote.delete(_key(folder, number) for number in numbers)
            if _has_won(remote, folder, claim):
                return claim, another
        another = True
        numbers = _numbers(folder, remote.listing(f"{folder}{CLAIMS}"))
    raise _held(remote, folder, _read(remote, folder, max(numbers, default=0)) or {})


def _put(remote: Store, folder: str, claim: Claim) -> bool:
    """Put a new claim; say whether it is there, and not another one of its number."""
    try:
        remote.put(_key(folder, claim["number"]), _text(claim))
    except StoreError as error:
        if error.errno != errno.EEXIST:
            raise
        # It may be ours, said twice by something on the way.
        there = _read(remote, folder, claim["number"]) or {}
        return bool(there.get("session") == claim["session"])
    return True


def renew(remote: Store, folder: str, claim: Claim) -> Claim | None:
    """Show that the claim is alive; None when another has it by now."""
    key = _key(folder, claim["number"])
    # Looked at first: a claim that was deleted must not be made again, nor one of another be written over.
    if set(remote.listing(f"{folder}{CLAIMS}")) != {key}:
        return None
    there = _read(remote, folder, claim["number"])
    if there is None or there.get("session") != claim["session"]:
        return None
    renewed = claim | {"nonce": ulid(), "renewed": time.time(), "by": Owner.current().to_dict()}
    remote.replace(key, _text(renewed))
    if set(remote.listing(f"{folder}{CLAIMS}")) != {key}:
        # It was followed, and deleted, between the look and this: it must not stay as one that nobody gives back.
        remote.delete([key])
        return None
    return renewed


def give_back(remote: Store, folder: str, claim: Claim) -> None:
    """Let another machine write there; nothing happens where the claim is another's by now."""
    there = _read(remote, folder, claim["number"])
    if there is not None and there.get("session") == claim["session"]:
        remote.delete([_key(folder, claim["number"])])


def keep(spool: Spool, remote: RemoteStore, folder: str) -> bool:
    """Renew this spool's claim; say whether it still has one."""
    claim = spool.claim(folder)
    if claim is None:
        return False
    if renew(remote, folder, claim) is not None:
        return True
    # A program of this machine may have taken a new one meanwhile.
    now = spool.claim(folder)
    return now is not None and now["session"] != claim["session"]


def drop(spool: Spool, remote: RemoteStore, folder: str) -> None:
    """Give this spool's claim back, unless somebody here writes there; the spool has none any more."""
    with spool.claiming(folder):
        claim = spool.claim(folder)
        if claim is None or not is_over(claim):
            return
    # Not within: a program that begins or ends must not wait for the network.
    if "session" in claim:
        give_back(remote, folder, claim)
    with spool.claiming(folder):
        if spool.claim(folder) == claim:
            spool.set_claim(folder, None)


def is_over(claim: Claim) -> bool:
    """Say whether the owner writes no more: it said so, or is dead."""
    return bool(claim.get("left")) or _alive(claim.get("owner")) is False


def told(claim: Claim) -> str:
    """Say who has a claim."""
    owner = claim.get("owner")
    facts = owner if isinstance(owner, dict) else {}
    return f"process {facts.get('pid', '?')} on host {facts.get('host', '(unknown)')}"


def _made(number: int, session: str, owner: Owner) -> Claim:
    facts = owner.to_dict()
    return {
        "number": number,
        "session": session,
        "nonce": ulid(),
        "renewed": time.time(),
        "owner": facts,
        "by": facts,
    }


def _is_from_here(held: Claim, before: str | None, place: str) -> bool:
    return bool(before and held.get("session") == before) or bool(place and held.get("place") == place)


def _has_won(remote: Store, folder: str, claim: Claim) -> bool:
    """Say whether a claim that was put is the one that counts."""
    if remote.conditional:
        return True
    time.sleep(_SETTLE)
    if max(_numbers(folder, remote.listing(f"{folder}{CLAIMS}")), default=0) != claim["number"]:
        return False
    there = _read(remote, folder, claim["number"])
    return there is not None and there.get("session") == claim["session"]


def _judge(remote: Store, folder: str, number: int, held: Claim) -> None:
    """Say by an error that who has a claim may live; give nothing when it is dead."""
    lives = [_alive(held.get("owner")), _alive(held.get("by"))]
    if True in lives:
        raise _held(remote, folder, held)
    if lives == [False, False] or _is_old(remote, folder, number, held):
        return
    _log.warning(
        "%s%s was written by %s: waiting up to %.0f s to see that it no longer runs",
        f"{remote.url}/", folder, told(held), EXPIRY,
    )  # fmt: skip
    # By this clock alone: those of other machines may be minutes off.
    begun = time.monotonic()
    while time.monotonic() - begun < EXPIRY:
        time.sleep(min(_LOOK, EXPIRY / 4))
        now = _read(remote, folder, number)
        if now is None:
            return
        if now.get("nonce") != held.get("nonce"):
            raise _held(remote, folder, now)


def _is_old(remote: Store, folder: str, number: int, held: Claim) -> bool:
    """Say whether a claim was not renewed for longer than clocks differ, by its owner's and by the store's clock.

    The owner's may be hours behind, and what is taken from a living one is its work: then the store knows better.
    """
    renewed, old = held.get("renewed"), time.time() - EXPIRY - _CLOCKS
    if not isinstance(renewed, (int, float)) or renewed >= old:
        return False
    try:
        stored = remote.facts(_key(folder, number)).modified
    except NotInStoreError:
        return True
    return stored is None or stored < old


def _held(remote: Store, folder: str, held: Claim) -> LeaseHeldError:
    job, _, rank = folder.removesuffix("/").partition("/rank-")
    owner = held.get("owner")
    facts = owner if isinstance(owner, dict) else {}
    ended = held.get("owner") != held.get("by") and _alive(held.get("owner")) is False
    what = "is written by"
    advice = f"wait for its end, or give this program a job of its own, e.g. LATTICE_JOB_ID={job}-2"
    if ended or held.get("left"):
        what, advice = (
            "is still being uploaded by the machine of",
            "start this program again when that is done",
        )
    message = f"job {job!r} (rank {int(rank or 0)}) in {remote.url} {what} {told(held)}; {advice}"
    return LeaseHeldError(
        message, url=remote.url, job=job, host=str(facts.get("host", "")), pid=facts.get("pid", 0)
    )


def _alive(told: object) -> bool | None:
    """Say whether a process lives; None where that cannot be told from here."""
    if not isinstance(told, dict):
        return None
    with suppress(ValueError):
        return Owner.from_dict(told).alive()
    return None


def _key(folder: str, number: int) -> str:
    return f"{folder}{CLAIMS}{number:08d}.json"


def _numbers(folder: str, keys: Iterable[str]) -> list[int]:
    names = (key.removeprefix(f"{folder}{CLAIMS}") for key in keys if key.startswith(f"{folder}{CLAIMS}"))
    return sorted(int(match[1]) for match in map(_NUMBER.fullmatch, names) if match)


def _text(claim: Claim) -> bytes:
    return orjson.dumps(claim, option=orjson.OPT_INDENT_2) + b"\n"


def _read(remote: Store, folder: str, number: int) -> Claim | None:
    """Give a claim; None when it is gone."""
    try:
        told = orjson.loads(remote.read(_key(folder, number)))
    except NotInStoreError:
        return None
    except orjson.JSONDecodeError:
        return {}
    return told if isinstance(told, dict) else {}
