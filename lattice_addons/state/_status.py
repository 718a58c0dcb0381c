"""What a group would save, how, and what keeps it from saving."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lattice_addons.checkpoint import Fresh
from lattice_addons.errors import LatticeError

from ._manager import NoValue
from ._words import in_words

if TYPE_CHECKING:
    from lattice_addons.checkpoint import Entry

    from ._session import Session
    from ._slot import Slot


@dataclass(frozen=True)
class SlotStatus:
    """One slot: its manager, where its value is now, and how it would be stored."""

    __module__ = "lattice_addons.state"

    name: str
    manager: str
    """The class of the manager."""
    value: str
    """``live`` (the program's), ``stored`` (not asked for yet), ``unclaimed`` (not registered) or ``none``."""
    encoding: str
    """How it would be stored: ``json``, ``pickle``, …; empty when there is nothing to store."""
    type: str
    """The type of the value."""
    size: int
    """Bytes it would take, before what is stored already is left out."""
    problem: str
    """Why it cannot be stored; empty when it can."""


@dataclass(frozen=True)
class Status:
    """What `StateManagerGroup.status` gives; ``print`` shows it as text."""

    __module__ = "lattice_addons.state"

    job: str
    rank: int
    store: str
    newest: int | None
    """Number of the newest checkpoint."""
    reason: str
    """Why the newest checkpoint was made."""
    slots: tuple[SlotStatus, ...]
    problems: tuple[str, ...]
    """What keeps saves from being made, values from being stored, and a checkpoint of the job from being complete."""
    world: int = 1
    """How many ranks the job has."""
    complete: str = ""
    """The newest instant of which every rank has its part; empty where there is none, and for a job of one process."""

    def __str__(self) -> str:
        """Show it for people."""
        newest = (
            f"checkpoint {self.newest} ({self.reason})" if self.newest is not None else "no checkpoint yet"
        )
        rank = f"rank {self.rank}" + (f" of {self.world}" if self.world > 1 else "")
        lines = [f"job {self.job!r}, {rank}, in {self.store}: {newest}"]
        if self.world > 1:
            lines.append(f"  complete on all ranks: {self.complete or 'nothing yet'}")
        for slot in self.slots:
            how = (
                slot.problem or f"{slot.type} as {slot.encoding}, {slot.size} bytes"
                if slot.type
                else "no value"
            )
            lines.append(f"  {slot.name}: {slot.manager}, {slot.value}: {slot.problem or how}")
        lines += [f"  ! {problem}" for problem in self.problems]
        return "\n".join(lines)


def describe(session: Session) -> Status:
    """Look at a session as it would be saved now."""
    newest = session.stored.newest
    with session.gate:
        slots = tuple(
            _describe_slot(slot, session.last_good(slot.name)) for slot in list(session.slots.values())
        )
    for name, source in session.unclaimed.items():
        entry = source[name]
        slots += (SlotStatus(name, entry.manager, "unclaimed", entry.encoding, entry.type, entry.size, ""),)
    complete, missing = _of_ranks(session)
    return Status(
        job=session.stored.job,
        rank=session.stored.rank,
        store=session.stored.url,
        newest=newest.number if newest is not None else None,
        reason=newest.reason if newest is not None else "",
        slots=slots,
        problems=(*_problems(session), *missing, *(f"{s.name}: {s.problem}" for s in slots if s.problem)),
        world=session.stored.ranks.world if session.stored.ranks is not None else 1,
        complete=complete,
    )


def _of_ranks(session: Session) -> tuple[str, list[str]]:
    """Say what all ranks have, and what is wrong between them."""
    ranks = session.stored.ranks
    if ranks is None or ranks.attempt is None:
        return "", []
    try:
        complete = ranks.complete()
        return str(complete) if complete is not None else "", ranks.problems()
    except LatticeError as error:
        return "", [f"how far the other ranks are cannot be told: {error}"]


def _problems(session: Session) -> tuple[str, ...]:
    if session.stored.passive is not None:
        return (f"nothing is saved: {session.stored.passive}",)
    return session.attachment.problems() if session.attachment is not None else ()


def _describe_slot(slot: Slot, good: Entry | None) -> SlotStatus:
    manager = type(slot.manager).__name__
    try:
        item = slot.capture(good)
    except NoValue:
        return SlotStatus(slot.name, manager, "none", "", "", 0, "")
    except Exception as error:  # noqa: BLE001 - whatever a value raises is what this report is about
        return SlotStatus(slot.name, manager, "live", "", "", 0, in_words(error))
    told = item.encoded if isinstance(item, Fresh) else item
    where = "stored" if slot.source is not None else "live"
    return SlotStatus(slot.name, manager, where, told.encoding, told.type, told.size, "")
