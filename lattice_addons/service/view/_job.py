"""A job's checkpoints in the order in which they were made, by the lives of the program that made them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lattice_addons.checkpoint import refusals

from ._changes import content
from ._facts import SlotFacts
from ._values import preview

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lattice_addons.checkpoint import Checkpoint, Refused

    from ._facts import CheckpointFacts
    from ._manifests import Manifests

__all__ = ["Life", "SlotView", "Timeline", "slots_of", "timeline"]


@dataclass(slots=True)
class Life:
    """The checkpoints of one life of the program, from its start to its end, the oldest first."""

    __module__ = "lattice_addons.service"

    number: int
    checkpoints: list[CheckpointFacts] = field(default_factory=list)

    @property
    def ending(self) -> str:
        """Say how it ended, as far as its last checkpoint tells; empty where it did not, or was killed."""
        last = self.checkpoints[-1]
        return last.reason if last.ends else ""


@dataclass(frozen=True, slots=True)
class Timeline:
    """All checkpoints of a rank, the oldest first; ``names`` are those that were given names."""

    __module__ = "lattice_addons.service"

    lives: tuple[Life, ...]
    names: dict[int, str]
    #: The saves that were refused, as a whole or in part, the oldest first.
    refused: tuple[Refused, ...] = ()

    @property
    def checkpoints(self) -> list[CheckpointFacts]:
        """Give them all."""
        return [facts for life in self.lives for facts in life.checkpoints]


@dataclass(frozen=True, slots=True)
class SlotView(SlotFacts):
    """One slot of a checkpoint, and what has become of it since the one before."""

    __module__ = "lattice_addons.service"

    #: ``same``, ``changed``, ``added`` or ``removed``; empty where there is nothing to compare with.
    change: str
    bytes_new: int | None
    preview: str
    preview_before: str = ""
    #: Of its largest array, how many elements of a sample are in each of equal bins.
    histogram: tuple[int, ...] = ()


def timeline(manifests: Manifests, job: str, rank: int, numbers: Sequence[int]) -> Timeline:
    """Put the checkpoints of a rank in order."""
    lives: list[Life] = []
    before: CheckpointFacts | None = None
    for number in numbers:
        facts = manifests.facts(job, rank, number)
        if facts is None:
            continue
        if before is None or _begins(facts, before):
            lives.append(Life(len(lives) + 1))
        lives[-1].checkpoints.append(facts)
        before = facts
    line = manifests.line(job, rank)
    return Timeline(tuple(lives), line.keeps.names(), tuple(refusals(line).all()))


def _begins(facts: CheckpointFacts, before: CheckpointFacts) -> bool:
    """Say whether another life of the program made a checkpoint than the one before it."""
    if before.ends:
        return True
    process, earlier = (
        (each.program.get("host"), each.program.get("pid"), each.program.get("argv"))
        for each in (facts, before)
    )
    return not facts.problem and not before.problem and process != earlier


def slots_of(checkpoint: Checkpoint, before: Checkpoint | None) -> Iterator[SlotView]:
    """Give the slots of a checkpoint, compared with those of the one before, and those that are gone."""
    old = dict(before.slots.items()) if before is not None else {}
    known = {chunk.digest for chunk in before.chunks()} if before is not None else set()
    for name, entry in checkpoint.slots.items():
        earlier = old.pop(name, None)
        change, new = "", None
        if before is not None:
            change = (
                "added" if earlier is None else "same" if content(earlier) == content(entry) else "changed"
            )
            chunks = {chunk.digest: chunk.length for chunk in entry.chunks()}
            new = sum(length for digest, length in chunks.items() if digest not in known) if chunks else None
        yield SlotView(
            *SlotFacts.told(name, entry),
            change,
            new,
            preview(entry),
            preview(earlier) if earlier is not None and change == "changed" else "",
            max(entry.summaries, key=lambda summary: summary.count).histogram if entry.summaries else (),
        )
    for name, entry in old.items():
        yield SlotView(*SlotFacts.told(name, entry), "removed", None, "", preview(entry))
