"""What a life leaves in the store, and what is lost with it, is told by the age of its last checkpoint."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from lattice_addons._amounts import duration
from lattice_addons.checkpoint import Line, instants, jobs, ranks
from lattice_addons.storage import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lattice_addons.checkpoint import Checkpoint
    from lattice_addons.settings import Settings
    from lattice_addons.storage import Store

    from ._life import Life

__all__ = ["Loss", "losses"]

# With these a session ends: after them the program does nothing more that could be lost.
_LAST = ("exit", "exception", "complete", "signal:")
# A manifest tells the time to a millionth, and the clock that a life is measured by may be a little behind.
_JITTER = 0.01


@dataclass(frozen=True)
class Loss:
    """What became of one job's work in one life."""

    job: str
    checkpoint: int | None
    """The last one that counts; None where there is none."""
    reason: str | None
    seconds: float
    """The work that must be done again; 0 where the last checkpoint was made at the end."""
    new: bool
    """Whether it was made in this life."""
    slurm: tuple[str, int] | None = None
    """Of the last one: SLURM's number of the job that made it, and how often that had been put back by then."""

    def __str__(self) -> str:
        """Say it to people."""
        if self.checkpoint is None:
            return f"job {self.job!r} has saved nothing: its {duration(self.seconds)} are lost"
        stands = f"checkpoint {self.checkpoint} ({self.reason})"
        if not self.new:
            return (
                f"job {self.job!r} has saved nothing in this life: its {duration(self.seconds)} are lost; "
                f"{stands} of an earlier one stands"
            )
        if not self.seconds:
            return f"job {self.job!r} was saved at its end, as {stands}: nothing is lost"
        return f"job {self.job!r} was saved last as {stands}: {duration(self.seconds)} of work are lost"

    @property
    def cut_short(self) -> bool:
        """Say whether a signal ended it before it was done."""
        return self.new and str(self.reason).startswith("signal:")

    def to_dict(self) -> dict[str, object]:
        """Give it as plain data."""
        told = asdict(self)
        del told["slurm"]
        return told


def losses(settings: Settings, job: str | None, life: Life, *, sure: bool) -> list[Loss]:
    """Give what became of a job in a life; where its name is not sure, of those jobs that this life has saved.

    `LatticeError` where the store cannot be read.
    """
    store = open_store(settings, create=False)
    named = [_loss(store, settings, job, life)] if job is not None else []
    if sure or any(loss.new for loss in named):
        return named
    # The program may have given its job a name of its own.
    others = (_loss(store, settings, each, life) for each in jobs(store) if each != job)
    return [loss for loss in others if loss.new] or named


def _loss(store: Store, settings: Settings, job: str, life: Life) -> Loss:
    for line, checkpoint in _newest(store, settings, job):
        made = _made(checkpoint)
        new = made >= life.began - _JITTER
        at_the_end = new and checkpoint.reason.startswith(_LAST) and _is_last(line, checkpoint)
        lost = 0.0 if at_the_end else max(life.ended - made, 0.0) if new else life.seconds
        return Loss(job, checkpoint.number, checkpoint.reason, lost, new, _slurm(checkpoint))
    return Loss(job, None, None, life.seconds, new=False)


def _newest(store: Store, settings: Settings, job: str) -> Iterator[tuple[Line, Checkpoint]]:
    """Give the newest checkpoint that a restart would carry on from: of several ranks, the oldest part of it."""
    lines = {rank: Line(store, job, rank, settings=settings) for rank in ranks(store, job)}
    if not lines:
        return
    first = lines[min(lines)]
    complete, lacking = instants(first)
    if complete is None and lacking is not None:
        return
    if complete is not None:
        parts = ((lines[rank], lines[rank].load(number)) for rank, number in enumerate(complete.numbers))
        yield min(parts, key=lambda part: _made(part[1]))
        return
    newest = first.newest()
    if newest is not None:
        yield first, newest


def _is_last(line: Line, checkpoint: Checkpoint) -> bool:
    """Say whether no process came after the one that made it, in the same life: torchrun starts its own anew."""
    return line.lease.left_by() in (None, checkpoint.program.get("pid"))


def _slurm(checkpoint: Checkpoint) -> tuple[str, int] | None:
    told = checkpoint.program.get("slurm")
    if not isinstance(told, list) or not str(told[-1]).isdecimal():
        return None
    return str(told[0]), int(told[-1])


def _made(checkpoint: Checkpoint) -> float:
    """Give the time by the clock on the wall at which it was made; 0 where it does not say so."""
    try:
        created = datetime.fromisoformat(checkpoint.created.replace("Z", "+00:00"))
    except ValueError:
        return 0.0
    return created.astimezone(timezone.utc).timestamp()
