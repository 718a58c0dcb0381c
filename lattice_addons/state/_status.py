"""What a group would save, how, and what keeps it from saving."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lattice_addons._html import brief
from lattice_addons.checkpoint import Fresh
from lattice_addons.errors import LatticeError

from ._copy import StateCopyManager
from ._manager import NoValue, StateManager
from ._symbolic import StateSymbolicManager
from ._words import in_words

if TYPE_CHECKING:
    from lattice_addons.checkpoint import Entry
    from lattice_addons.encoding import Encoded

    from ._session import Session
    from ._slot import Slot


# Their values are there, and looking at them runs nothing and makes nothing.
_AT_HAND = frozenset({StateManager, StateCopyManager, StateSymbolicManager})
# The repr of any other may take as long as it likes.
_SHORT = frozenset({type(None), bool, int, float, complex, str, bytes, list, tuple, dict, set})
_INLINE = 80


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
    shown: str = ""
    """The value in a line, where it can be had at no cost."""

    def _repr_html_(self) -> str:
        from ._shown import slots_html

        return slots_html([self])


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

    @property
    def heading(self) -> str:
        """Say in a line which job it is, and how far."""
        newest = (
            f"checkpoint {self.newest} ({self.reason})" if self.newest is not None else "no checkpoint yet"
        )
        rank = f"rank {self.rank}" + (f" of {self.world}" if self.world > 1 else "")
        return f"job {self.job!r}, {rank}, in {self.store}: {newest}"

    def __str__(self) -> str:
        """Show it for people."""
        lines = [self.heading]
        if self.world > 1:
            lines.append(f"  complete on all ranks: {self.complete or 'nothing yet'}")
        for slot in self.slots:
            how = f"{slot.type} as {slot.encoding}, {slot.size} bytes" if slot.type else "no value"
            lines.append(f"  {slot.name}: {slot.manager}, {slot.value}: {slot.problem or how}")
        lines += [f"  ! {problem}" for problem in self.problems]
        return "\n".join(lines)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ANN401, FBT001 - as IPython calls it
        del cycle
        printer.text(str(self))

    def _repr_html_(self) -> str:
        from ._shown import status_html

        return status_html(self)


def describe(session: Session, *, closely: bool = True) -> Status:
    """Look at a session as it would be saved now; where not ``closely``, encode no value for it."""
    newest = session.stored.newest
    with session.gate:
        slots = tuple(
            (_describe_slot if closely else _glance_at)(slot, session.last_good(slot.name))
            for slot in list(session.slots.values())
        )
    unclaimed = list(session.unclaimed.items())  # another thread may register one meanwhile
    slots += tuple(_of_entry(name, "unclaimed", source[name]) for name, source in unclaimed)
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
    return SlotStatus(slot.name, manager, where, told.encoding, told.type, told.size, "", _text_of(told))


def _glance_at(slot: Slot, good: Entry | None) -> SlotStatus:
    """Say of a slot what is known without work: nothing is read, encoded, or asked of the program's own code."""
    manager = type(slot.manager).__name__
    if slot.pending is not None:
        return _of_entry(slot.name, "stored", slot.pending, manager)
    if type(slot.manager) not in _AT_HAND:
        # How its value is made, and how long that takes, is not ours to know.
        return _of_entry(slot.name, "live", good, manager)
    try:
        value = slot.manager.capture()
    except NoValue:
        return _of_entry(slot.name, "none", good, manager)
    encoding, size = (good.encoding, good.size) if good is not None else ("", 0)
    kind = type(value)
    shown = brief(value) if kind in _SHORT else ""
    return SlotStatus(
        slot.name, manager, "live", encoding, f"{kind.__module__}.{kind.__qualname__}", size, "", shown
    )


def _of_entry(name: str, where: str, entry: Entry | None, manager: str = "") -> SlotStatus:
    if entry is None:
        return SlotStatus(name, manager, where, "", "", 0, "")
    shown = _text_of(entry) if where != "live" else ""
    return SlotStatus(
        name, manager or entry.manager, where, entry.encoding, entry.type, entry.size, "", shown
    )


def _text_of(told: Encoded | Entry) -> str:
    """Give the beginning of what stands in the manifest; empty where the value is not stored as readable text."""
    text = told.value or b""
    if told.encoding != "json":
        return ""
    return text.decode("utf-8") if len(text) <= _INLINE else text[:_INLINE].decode("utf-8", "ignore") + "…"
