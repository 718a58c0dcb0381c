"""Facts about jobs and checkpoints as people want to know them: plain, and true when they were read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from lattice_addons.checkpoint import Entry, Refused

__all__ = [
    "CRASHED",
    "ENDINGS",
    "LOST",
    "RUNNING",
    "STATES",
    "STOPPED",
    "CheckpointFacts",
    "JobView",
    "RankView",
    "SlotFacts",
]

RUNNING, LOST, CRASHED, STOPPED = "running", "lost contact", "crashed", "stopped"
#: Every state of a job, the one that most wants to be seen first.
STATES = (RUNNING, LOST, CRASHED, STOPPED)
#: With these reasons a program's life ends: until the next one began, the job did not run.
ENDINGS = ("exit", "exception", "complete", "signal:", "edit", "rollback")


@dataclass(frozen=True, slots=True)
class CheckpointFacts:
    """What the manifest of one checkpoint says, without its slots; ``problem`` is why it cannot be used."""

    __module__ = "lattice_addons.service"

    number: int
    created: datetime | None = None
    reason: str = ""
    parent: int | None = None
    notes: tuple[str, ...] = ()
    bytes_total: int = 0
    bytes_new: int = 0
    bytes_written: int = 0
    seconds: float | None = None
    standstill: float | None = None
    program: Mapping[str, Any] = field(default_factory=dict, hash=False)
    problem: str = ""

    @property
    def ends(self) -> bool:
        """Say whether a program's life ended with it."""
        return self.reason.startswith(ENDINGS)

    @property
    def failed(self) -> bool:
        """Say whether an uncaught exception ended it; Ctrl-C is one that somebody wanted."""
        return self.reason == "exception" and "KeyboardInterrupt" not in self.notes


@dataclass(frozen=True, slots=True)
class SlotFacts:
    """What a manifest says of a slot: how its value is kept, what it is, and how large."""

    __module__ = "lattice_addons.service"

    name: str
    manager: str
    encoding: str
    type: str
    size: int

    @staticmethod
    def told(name: str, entry: Entry) -> tuple[str, str, str, str, int]:
        """Read them."""
        return name, entry.manager, entry.encoding, entry.type, entry.size


@dataclass(frozen=True, slots=True)
class RankView:
    """One rank of a job: who writes it, its newest checkpoints, and what would be lost now."""

    __module__ = "lattice_addons.service"

    rank: int
    state: str
    host: str
    pid: int | None
    numbers: tuple[int, ...]
    #: The newest checkpoints that can be read, the newest first.
    recent: tuple[CheckpointFacts, ...]
    lost_seconds: float | None
    lost_bytes: int | None
    saves_per_minute: float
    bytes_per_second: float
    problem: str = ""
    #: The last save that was refused, where none went well since.
    refused: Refused | None = None

    @property
    def alive(self) -> bool:
        """Say whether something of it would be lost now."""
        return self.state in (RUNNING, LOST)


@dataclass(frozen=True, slots=True)
class JobView:
    """A job at a glance; those of its ranks that say most count."""

    __module__ = "lattice_addons.service"

    name: str
    state: str
    #: When its last checkpoint was made, and its number (of the first rank).
    last: datetime | None
    number: int | None
    #: What would be lost if it were killed now; None where it does not run, or where that cannot be told.
    lost_seconds: float | None
    lost_bytes: int | None
    #: Bytes of all values of its last checkpoints.
    size: int
    saves_per_minute: float
    bytes_per_second: float
    ranks: int
    checkpoints: int = 0
    reason: str = ""
    host: str = ""
    pid: int | None = None
    #: Bytes of all values, from checkpoint to checkpoint, the newest last.
    trend: tuple[int, ...] = ()
    problem: str = ""
    #: From when on all of its work would be lost, on the rank that would lose most.
    since: datetime | None = None
    #: The last save that was refused, of a rank where none went well since.
    refused: Refused | None = None

    @property
    def alive(self) -> bool:
        """Say whether something of it would be lost now."""
        return self.state in (RUNNING, LOST)
