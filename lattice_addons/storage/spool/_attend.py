"""Who begins to write takes the claim, and sees that this machine and the remote store are of one mind."""

from __future__ import annotations

import logging
import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from lattice_addons._owner import Owner
from lattice_addons.errors import NotInStoreError, StoreError
from lattice_addons.storage.spool._claim import give_back, is_over, keep, take
from lattice_addons.storage.spool._notes import take_in
from lattice_addons.storage.spool._pending import stamps

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from lattice_addons.storage.remote import RemoteStore
    from lattice_addons.storage.spool._aside import Asides
    from lattice_addons.storage.spool._claim import Claim
    from lattice_addons.storage.spool._spool import Spool, Stamp
    from lattice_addons.storage.spool._there import There

__all__ = ["Lines", "Sides", "compare", "hold", "join", "part_from", "stand_in"]

_log = logging.getLogger("lattice_addons.storage")
_MANIFEST = re.compile(r"checkpoints/([0-9]{12,18})\.json", re.ASCII)
# Who needed so long to have the claim, in seconds, looks once more what is there: another may have come and gone.
_LONG = 5.0


class Lines(NamedTuple):
    """The numbers of the checkpoints that are only here, and of those there that another machine has added."""

    here: list[int]
    there: list[int]

    @property
    def parted(self) -> bool:
        """Say whether the job went on in both places."""
        return bool(self.here and self.there)


@dataclass(frozen=True)
class Sides:
    """The machine and the remote store."""

    spool: Spool
    remote: RemoteStore
    there: There
    asides: Asides


def join(sides: Sides, folder: str) -> None:
    """List the job, take the claim on a rank's folder, and settle which line goes on.

    Raises:
        UnreachableError, NoAccessError: the remote store cannot be asked what is there.
        LeaseHeldError: another machine writes there.
    """
    begun = time.monotonic()
    listed = sides.there.list_job(folder)
    claim, another = take(
        sides.remote, folder, listed, Owner.current(), sides.spool.claim(folder), place=sides.spool.place
    )
    try:
        if another or time.monotonic() - begun > _LONG:
            listed = sides.there.list_job(folder)
        _agree(sides, folder, listed, claim)
    except BaseException:
        with suppress(StoreError):
            give_back(sides.remote, folder, claim)
        raise
    with sides.spool.claiming(folder):
        sides.spool.set_claim(folder, claim)


def stand_in(spool: Spool, folder: str) -> None:
    """Write down that this process writes there without having asked: the uploader makes up for it."""
    with spool.claiming(folder):
        claim = spool.claim(folder) or {}
        mine = {"owner": Owner.current().to_dict(), "pending": True, "left": False}
        spool.set_claim(folder, claim | mine)


def part_from(spool: Spool, folder: str) -> None:
    """Write down that this process writes there no more."""
    with spool.claiming(folder):
        claim = spool.claim(folder)
        if claim is not None:
            spool.set_claim(folder, claim | {"left": True})


def hold(spool: Spool, remote: RemoteStore, folder: str) -> str | None:
    """See that what is here may be sent: the claim is renewed, or taken; say what is against it.

    Raises:
        LeaseHeldError: another machine writes there.
    """
    claim = spool.claim(folder)
    if claim is not None and not claim.get("pending") and keep(spool, remote, folder):
        return None
    listed = set(remote.listing(folder))
    # Where no program writes, as when a name was given, it is for the time that it takes to send.
    owner, left = Owner.current(), True
    with suppress(ValueError):
        owner = Owner.from_dict((claim or {}).get("owner", {}))
        left = bool((claim or {}).get("left"))
    taken, another = take(remote, folder, listed, owner, claim, place=spool.place)
    if another:
        listed = set(remote.listing(folder))
    lines = compare(spool, remote, folder, listed, taken)
    parted = lines.parted
    if lines.there:
        # Another machine has gone on: what was to be deleted there, its line may need.
        spool.drop_gone(folder, spool.gone(folder))
        # And a program that runs here does not go on from there, though it has nothing to be sent just now.
        parted = parted or (claim is not None and not is_over(claim))
    if not parted:
        take_in(spool, remote, folder, listed)
        with spool.claiming(folder):
            now = spool.claim(folder)
            # The program may have ended meanwhile: that takes nobody's claim away.
            if _but_for_its_end(now) == _but_for_its_end(claim):
                left = left or bool((now or {}).get("left"))
                spool.set_claim(folder, taken | {"left": left})
                return None
    # Parted; or a program began meanwhile, and has a claim of its own.
    give_back(remote, folder, taken)
    return _went_on_elsewhere(folder, lines) if parted else None


def _went_on_elsewhere(folder: str, lines: Lines) -> str:
    mine, theirs = (", ".join(map(str, numbers)) for numbers in lines)
    return (
        f"{folder.removesuffix('/')} went on elsewhere: checkpoints {mine or 'to come'} are only on this machine, "
        f"while the remote store has {theirs} of another one. Nothing is lost: start the program again, and "
        f"`lattice choose {folder.partition('/')[0]}` shows both lines"
    )


def _but_for_its_end(claim: Claim | None) -> Claim | None:
    return claim if claim is None else claim | {"left": False}


def compare(
    spool: Spool, remote: RemoteStore, folder: str, listed: Collection[str], claim: Claim | None = None
) -> Lines:
    """Give what is only here, and what another machine has added there since this one looked last.

    With a claim that follows one of this machine, which nobody has taken meanwhile, that is nothing.
    """
    # After the listing was taken: what was sent meanwhile is not taken to be only here.
    uploaded = spool.uploaded(folder)
    here = numbered(folder, spool.here(folder))
    if claim is None or not claim.get("follows"):
        uploaded = _but_what_is_another(
            spool, remote, uploaded, [key for key in here.values() if key in listed]
        )
    mine = [
        number
        for number, key in here.items()
        if key not in uploaded and not (key in listed and _is_same(spool, remote, key))
    ]
    seen = spool.seen(folder)
    first = min(mine, default=0)
    ours = {key for number, key in here.items() if number not in mine} | uploaded.keys()
    theirs = [
        number
        for number, key in numbered(folder, listed).items()
        if key not in ours and (number >= first if seen is None else number not in seen or number in mine)
    ]
    # What was sent may be superseded before it could be written down that it was sent.
    return Lines(sorted(mine), [] if claim is not None and claim.get("follows") else sorted(theirs))


def numbered(folder: str, keys: Iterable[str]) -> dict[int, str]:
    """Give the checkpoints of a rank among these keys, by number."""
    found = ((_MANIFEST.fullmatch(key.removeprefix(folder)), key) for key in keys if key.startswith(folder))
    return {int(match[1]): key for match, key in found if match}


def _but_what_is_another(
    spool: Spool, remote: RemoteStore, uploaded: dict[str, Stamp], both: list[str]
) -> dict[str, Stamp]:
    """Leave out what was sent, but is another there by now: the job was cleared, and begun afresh elsewhere."""
    sent = [key for key, found in stamps(spool, both).items() if uploaded.get(key) == found]
    # By the newest of them: then the others are others, too.
    if not sent or _is_same(spool, remote, max(sent)):
        return uploaded
    return {key: found for key, found in uploaded.items() if key not in both}


def _is_same(spool: Spool, remote: RemoteStore, key: str) -> bool:
    """Say whether a key has the same bytes there: it was sent, and that could not be written down any more."""
    try:
        return spool.store.read(key) == remote.read(key)
    except NotInStoreError:
        return False


def _agree(sides: Sides, folder: str, listed: Collection[str], claim: Claim) -> None:
    spool = sides.spool
    lines = compare(spool, sides.remote, folder, listed, claim)
    lost = [key for key in sides.there.lacks(folder) if os.path.lexists(spool.path(key))]
    if lines.there:
        # What was to be deleted there, the line that went on may need.
        spool.drop_gone(folder, spool.gone(folder))
        sides.there.undelete(folder)
    if lines.parted:
        _put_aside(sides, folder, lines)
    elif lines.there:
        # Another machine carried on from what was sent here, and deleted this since.
        spool.store.delete(lost)
    else:
        # The remote store was emptied, or is another one under the old name: a new time has them sent again.
        for key in lost:
            os.utime(spool.path(key))
    take_in(spool, sides.remote, folder, listed)
    spool.set_seen(folder, numbered(folder, listed))


def _put_aside(sides: Sides, folder: str, lines: Lines) -> None:
    aside = sides.asides.put(folder, lines.here[-1], lines.there[-1])
    if sides.spool.trouble(folder) is not None:
        sides.spool.set_trouble(folder, None)
    job = folder.partition("/")[0]
    _log.warning(
        "job %r went on in two places. It carries on from %s; %s is put aside, as %d. `lattice choose %s` shows both, "
        "and `lattice choose %s %d` lets the other one go on",
        job, aside.theirs, aside.ours, aside.number, job, job, aside.number,
    )  # fmt: skip
