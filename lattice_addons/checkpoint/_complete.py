"""What all ranks have of a job: a complete instant, or the one that some of them lack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from lattice_addons.checkpoint._part import Instant

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Complete", "Lacking", "Place", "in_words"]

#: What orders the parts of a rank: the attempt, and the instant in it.
Place: TypeAlias = tuple[int, Instant]
# How many ranks are named in one line.
_SHOWN = 10


def in_words(ranks: Sequence[int]) -> str:
    """Name ranks for people."""
    shown = ", ".join(map(str, ranks[:_SHOWN])) + (
        f" and {len(ranks) - _SHOWN} more" if len(ranks) > _SHOWN else ""
    )
    return f"rank{'s' * (len(ranks) != 1)} {shown}"


@dataclass(frozen=True)
class Complete:
    """An instant of which every rank has its part; ``numbers`` are those of the checkpoints, by rank.

    A checkpoint of a job of one process is complete by itself, and has no attempt and no instant.
    """

    __module__ = "lattice_addons.checkpoint"

    world: int
    attempt: int | None
    instant: Instant | None
    numbers: tuple[int, ...]

    def __str__(self) -> str:
        """Show it for people."""
        return f"checkpoint {self.numbers[0]}" if self.instant is None else str(self.instant)

    @property
    def place(self) -> Place:
        """What orders it among the parts of a rank."""
        return self.attempt or 0, self.instant or Instant()

    @property
    def is_own(self) -> bool:
        """Say whether the program makes its saves itself."""
        return self.instant is not None and self.instant.is_own

    def told(self) -> dict[str, object]:
        """Give it as plain data."""
        instant = self.instant.told() if self.instant is not None else None
        return {"world": self.world, "attempt": self.attempt, "instant": instant, "numbers": self.numbers}

    @classmethod
    def from_told(cls, told: Mapping[str, Any]) -> Complete:
        """Read what `told` gave; ``KeyError``, ``TypeError`` or ``ValueError`` when it is something else."""
        instant = Instant.from_told(told["instant"]) if told["instant"] is not None else None
        attempt = int(told["attempt"]) if told["attempt"] is not None else None
        numbers = tuple(map(int, told["numbers"]))
        if len(numbers) != told["world"]:
            raise ValueError("there is not one number for each rank")
        return cls(len(numbers), attempt, instant, numbers)


@dataclass(frozen=True)
class Lacking:
    """The newest instant that some rank has, and the ranks that lack it."""

    __module__ = "lattice_addons.checkpoint"

    attempt: int
    instant: Instant
    ranks: tuple[int, ...]

    def __str__(self) -> str:
        """Show it for people."""
        return f"{self.instant} is not complete: {in_words(self.ranks)} lack{'s' * (len(self.ranks) == 1)} it"

    def told(self) -> dict[str, object]:
        """Give it as plain data."""
        return {"attempt": self.attempt, "instant": self.instant.told(), "ranks": self.ranks}

    @classmethod
    def from_told(cls, told: Mapping[str, Any]) -> Lacking:
        """Read what `told` gave; ``KeyError``, ``TypeError`` or ``ValueError`` when it is something else."""
        return cls(int(told["attempt"]), Instant.from_told(told["instant"]), tuple(map(int, told["ranks"])))
