"""What saves have cost so far, and what would be lost if the process were killed now."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from lattice_addons._amounts import duration, size, took
from lattice_addons.checkpoint import Fresh, as_stored
from lattice_addons.encoding import Encoded
from lattice_addons.errors import LatticeError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lattice_addons.checkpoint import Checkpoint
    from lattice_addons.encoding import Buffer

    from ._session import Session

__all__ = ["SaveCosts", "SaveStats", "Stats", "Tally", "describe_stats"]


@dataclass(frozen=True)
class SaveCosts:
    """What one save, or several together, took."""

    __module__ = "lattice_addons.state"

    bytes_total: int = 0
    """Bytes of all values."""
    bytes_new: int = 0
    """Those of them that were not in the store yet."""
    bytes_written: int = 0
    """What was written for these, where they are compressed or padded to whole pages."""
    seconds: float = 0.0
    """From the capture of the first value until the checkpoint's manifest was written."""
    standstill: float = 0.0
    """Seconds for which the program stood still."""
    stages: Mapping[str, float] = field(default_factory=dict, hash=False)
    """Seconds by stage: ``capture``, ``write``."""

    def __str__(self) -> str:
        """Show it for people."""
        stages = "".join(f", {stage} {took(seconds)}" for stage, seconds in self.stages.items())
        return (
            f"{size(self.bytes_total)} of values, {size(self.bytes_new)} new, {size(self.bytes_written)} written, "
            f"in {took(self.seconds)} (stood still {took(self.standstill)}{stages})"
        )

    def _repr_html_(self) -> str:
        from ._shown import costs_html

        return costs_html({"": self})

    def __add__(self, other: SaveCosts) -> SaveCosts:
        """Give what both took together."""
        names = (*self.stages, *(name for name in other.stages if name not in self.stages))
        return SaveCosts(
            self.bytes_total + other.bytes_total,
            self.bytes_new + other.bytes_new,
            self.bytes_written + other.bytes_written,
            self.seconds + other.seconds,
            self.standstill + other.standstill,
            {name: self.stages.get(name, 0.0) + other.stages.get(name, 0.0) for name in names},
        )

    @classmethod
    def of(cls, metrics: Mapping[str, object]) -> SaveCosts:
        """Read what a checkpoint says that it took; what it does not say counts nothing."""
        total, new, written = (
            int(_number(metrics.get(f"bytes_{name}"))) for name in ("total", "new", "written")
        )
        seconds, stages = _number(metrics.get("seconds")), metrics.get("stages")
        return cls(
            total,
            new,
            written,
            seconds,
            # A save that says nothing of it was one in which the program waited for all.
            _number(metrics.get("standstill", seconds)),
            {str(name): _number(value) for name, value in stages.items()} if isinstance(stages, dict) else {},
        )


@dataclass(frozen=True)
class SaveStats:
    """One save of this process."""

    __module__ = "lattice_addons.state"

    number: int
    """Number of the checkpoint that it made."""
    reason: str
    created: str
    """When, in UTC."""
    costs: SaveCosts

    def _repr_html_(self) -> str:
        from ._shown import costs_html

        return costs_html({f"checkpoint {self.number} ({self.reason}, {self.created})": self.costs})


@dataclass(frozen=True)
class Stats:
    """What `StateManagerGroup.stats` gives; ``print`` shows it as text."""

    __module__ = "lattice_addons.state"

    saves: int
    """How many saves this process has made."""
    last: SaveStats | None
    """The newest of them."""
    costs: SaveCosts
    """What all of them took together."""
    since_durable: float | None
    """Seconds since the capture of what is safe on disk, in this process; None where nothing is."""
    dirty: int
    """Bytes that a save would have to write now."""
    problem: str = ""
    """Why this process saves nothing; empty where it does."""

    def __str__(self) -> str:
        """Show it for people; the last line says what would be lost."""
        saves = f"{self.saves} save{'s' if self.saves > 1 else ''}: {self.costs}"
        lines = [saves if self.saves else "no saves yet"]
        if self.problem:
            lines.append(f"nothing is saved: {self.problem}")
        if self.last is not None:
            lines.append(f"last: checkpoint {self.last.number} ({self.last.reason}, {self.last.created}):")
            lines.append(f"  {self.last.costs}")
        return "\n".join([*lines, self.at_stake])

    @property
    def at_stake(self) -> str:
        """Say in a line what would be lost if the process were killed now."""
        passed = f"{duration(self.since_durable)} and" if self.since_durable is not None else "everything:"
        return f"if killed now, you lose {passed} {size(self.dirty)}"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ANN401, FBT001 - as IPython calls it
        del cycle
        printer.text(str(self))

    def _repr_html_(self) -> str:
        from ._shown import stats_html

        return stats_html(self)


class _Told(NamedTuple):
    """What a tally says: replaced as a whole, since other threads read it meanwhile."""

    saves: int
    last: SaveStats | None
    costs: SaveCosts
    durable: float | None


class Tally:
    """The saves of this process, counted; whoever adds holds the lock under which it saves."""

    def __init__(self, *, carries_on: bool) -> None:
        # What was carried on from is safe already: only what comes after it can be lost.
        self.told: _Told = _Told(0, None, SaveCosts(), time.monotonic() if carries_on else None)

    def add(self, checkpoint: Checkpoint, captured: float) -> None:
        """Count a save whose values were captured then, by the monotonic clock."""
        costs = SaveCosts.of(checkpoint.metrics)
        last = SaveStats(checkpoint.number, checkpoint.reason, checkpoint.created, costs)
        self.told = _Told(self.told.saves + 1, last, self.told.costs + costs, captured)


def describe_stats(session: Session) -> Stats:
    """Say what saves have cost, and how much would be lost now."""
    with session.gate.busy(), session.gate:
        now = time.monotonic()
        dirty = 0 if session.completed else _dirty(session)
        told = session.stored.tally.told
    since = max(now - told.durable, 0.0) if told.durable is not None else None
    if session.completed:
        since = 0.0  # The next start begins afresh: nothing is left to be lost.
    return Stats(told.saves, told.last, told.costs, since, dirty, session.stored.passive or "")


def _dirty(session: Session) -> int:
    """Give how many bytes a save would have to write, without copying or writing any."""
    snapshot = session.snapshot()
    fresh = {name: slot for name, slot in snapshot.slots.items() if isinstance(slot, Fresh)}
    texts: list[Buffer] = [*snapshot.tables]
    inline = 0
    for name, slot in fresh.items():
        value, good = slot.encoded.value, session.last_good(name)
        if value is None or (good is not None and good.value == value):
            continue
        if good is not None and good.value is None:
            texts.append(as_stored(value))  # too long for the manifest, it is stored as bytes are
        else:
            inline += len(value)
    # As if they were slots, under names that no slot can have.
    stored = {f"\0{n}": Fresh("", Encoded("", "", None, (text,))) for n, text in enumerate(texts)}
    try:
        return inline + session.stored.dirty({**fresh, **stored})
    except LatticeError:
        # A file that cannot be read now, or a store that is gone: all of it may be lost.
        return sum(slot.encoded.size for slot in fresh.values()) + sum(map(len, snapshot.tables))


def _number(told: object) -> float:
    return told if isinstance(told, (int, float)) else 0.0
