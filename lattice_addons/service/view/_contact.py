"""Whether somebody writes a rank: its lease says so, or, from another machine, its claim that is renewed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from lattice_addons.errors import LatticeError, NotInStoreError
from lattice_addons.lifecycle import Owner

from ._facts import CRASHED, LOST, RUNNING, STOPPED

if TYPE_CHECKING:
    from lattice_addons.checkpoint import Line

    from ._facts import CheckpointFacts

__all__ = ["Contact", "Contacts"]

# A claim is renewed every 15 seconds, and dead after 60: so much more is left for a busy store.
_SILENT = 75.0
# A writer on another machine of a shared folder is believed in while it saves as often as it did, but for this factor.
_LATE, _AT_LEAST = 4.0, 120.0


class Contact(NamedTuple):
    """The state of a rank, and the process that writes it, where there is one."""

    state: str
    host: str = ""
    pid: int | None = None


class Contacts:
    """Remembers when each claim was seen renewed: by the clock of here, since those of others may be minutes off."""

    def __init__(self) -> None:
        self._renewed: dict[str, tuple[str, float]] = {}

    def of(self, line: Line, recent: tuple[CheckpointFacts, ...], age: float | None) -> Contact:
        """Say how a rank stands, whose newest checkpoints these are, the newest first."""
        lease = _told(line, f"{line.folder}lease.json")
        if lease is None:
            return self._without_lease(line, recent)
        lives = _lives(lease)
        state = {True: RUNNING, False: CRASHED}[lives] if lives is not None else _believed(recent, age)
        holder = Contact(state, *_who(lease))
        if lives is not False or line.store.at_home:
            return holder
        # Of this machine alone: the job may have gone on elsewhere since.
        claimed = self._claimed(line)
        if claimed is not None and claimed.host and claimed[1:] != holder[1:]:
            return claimed
        if not _is_later(line, recent, holder):
            return holder
        return Contact(CRASHED if recent[0].failed or recent[0].reason == "periodic" else STOPPED)

    def _without_lease(self, line: Line, recent: tuple[CheckpointFacts, ...]) -> Contact:
        reason = recent[0].reason if recent else ""
        if recent and recent[0].failed:
            return Contact(CRASHED)
        if recent and recent[0].ends and line.store.at_home:
            # The usual case, and claims need not be looked for: but one that began again shows by its claim.
            return self._claimed(line) or Contact(STOPPED)
        claimed = self._claimed(line)
        if claimed is not None:
            return claimed
        # Without a lease of its own the machine that writes says nothing when it dies, and a last save was not made.
        elsewhere = not line.store.at_home or "claims" in line.store.folders(line.folder)
        return Contact(CRASHED if elsewhere and reason == "periodic" else STOPPED)

    def _claimed(self, line: Line) -> Contact | None:
        """Say what the newest claim says; None where there is none that a program holds."""
        store = line.store.shared
        try:
            keys = store.list(f"{line.folder}claims/")
            claim = _told(line, keys[-1]) if keys else None
        except LatticeError:
            return Contact(LOST)
        if claim is None:
            return None
        owner = claim.get("owner")
        facts = owner if isinstance(owner, dict) else {}
        if claim.get("left") or _is_from_here(line, claim):
            return None
        lives = _lives(facts)
        if lives is not None:
            return Contact(RUNNING if lives else CRASHED, *_who(facts))
        return Contact(RUNNING if self._is_renewed(keys[-1], claim) else LOST, *_who(facts))

    def _is_renewed(self, key: str, claim: dict[str, Any]) -> bool:
        nonce, renewed = str(claim.get("nonce")), claim.get("renewed")
        now = time.monotonic()
        known = self._renewed.get(key)
        if known is None or known[0] != nonce:
            # Seen for the first time, the clock that wrote it is all there is to go by.
            passed = time.time() - renewed if isinstance(renewed, (int, float)) else 0.0
            begun = now if known is not None else now - abs(passed)
            known = self._renewed[key] = (nonce, begun)
        return now - known[1] < _SILENT


def _told(line: Line, key: str) -> dict[str, Any] | None:
    store = line.store.shared if "/claims/" in key else line.store
    try:
        told = orjson.loads(store.read(key))
    except NotInStoreError:
        return None
    except (LatticeError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _is_from_here(line: Line, claim: dict[str, Any]) -> bool:
    """Say whether a claim was taken at the spool that is looked at: whether a program writes there, its lease says.

    Without one, what was saved is being sent, or a name that was given to a checkpoint.
    """
    spool = getattr(line.store, "spool", None)
    return spool is not None and bool(claim.get("place")) and claim["place"] == spool.place


def _is_later(line: Line, recent: tuple[CheckpointFacts, ...], holder: Contact) -> bool:
    """Say whether the newest checkpoint is another process's, made after this one had taken its lease."""
    newest = recent[0] if recent else None
    if newest is None or newest.created is None:
        return False
    if (newest.program.get("host"), newest.program.get("pid")) == (holder.host, holder.pid):
        return False
    try:
        taken = line.store.facts(f"{line.folder}lease.json").modified
    except LatticeError:
        return False
    return taken is not None and newest.created.timestamp() > taken


def _lives(told: dict[str, Any]) -> bool | None:
    try:
        return Owner.from_dict(told).alive()
    except (ValueError, LatticeError):
        return None


def _who(told: dict[str, Any]) -> tuple[str, int | None]:
    host, pid = told.get("host"), told.get("pid")
    return host if isinstance(host, str) else "", pid if type(pid) is int else None


def _believed(recent: tuple[CheckpointFacts, ...], age: float | None) -> str:
    """Say of a writer that cannot be asked whether it saves as often as before."""
    times = [facts.created for facts in recent if facts.created is not None]
    if age is None or len(times) < 2:  # noqa: PLR2004 - two make a pace
        return RUNNING if age is not None and age < _AT_LEAST else LOST
    pace = (times[0] - times[-1]).total_seconds() / (len(times) - 1)
    return RUNNING if age < max(_LATE * pace, _AT_LEAST) else LOST
