"""A checkpoint of one rank is its part of a checkpoint of the job: of one instant, in one attempt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

__all__ = ["END", "UNNAMED", "At", "Instant", "Part"]

#: What stands for the step while the program has named none.
UNNAMED = -1
#: The save at the end of a program: after all others.
END = 2**62


class Instant(NamedTuple):
    """When a rank saved, in a way that means the same on every rank: later ones are larger.

    ``done`` counts how often the program said that its work is complete, ``own`` the saves that it made itself since
    it named the ``step``, ``outside`` those since that came from outside: periods, signals, and last the program's end.
    """

    done: int = 0
    step: int = UNNAMED
    own: int = 0
    outside: int = 0

    def __str__(self) -> str:
        """Show it for people."""
        told = []
        if self.done:
            told.append("complete" if self.done == 1 else f"complete {self.done} times")
        if self.is_own or not (self.done or self.outside):
            told.append(self._own_words())
        if self.outside:
            told.append("the end" if self.outside == END else f"save {self.outside} from outside")
        return ", ".join(told)

    @property
    def is_own(self) -> bool:
        """Say whether the program makes its saves itself."""
        return self.step != UNNAMED or self.own > 0

    def _own_words(self) -> str:
        if self.step == UNNAMED:
            return f"save {self.own}"
        return f"step {self.step}" + (f", save {self.own}" if self.own else "")

    def told(self) -> list[int | None]:
        """Give it as plain data."""
        step, outside = (None if self.step == UNNAMED else self.step), self.outside
        return [self.done, step, self.own, None if outside == END else outside]

    @classmethod
    def from_told(cls, told: Any) -> Instant:  # noqa: ANN401 - anything that JSON can say
        """Read what `told` gave; `ValueError` when it is something else."""
        if type(told) is not list or len(told) != len(cls._fields):
            raise ValueError("an instant is [done, step, own, outside]")
        done, step, own, outside = told
        numbers = (done, 0 if step is None else step, own, 0 if outside is None else outside)
        if not all(type(number) is int and 0 <= number < END for number in numbers):
            raise ValueError("an instant consists of whole numbers from 0 on")
        return cls(done, UNNAMED if step is None else step, own, END if outside is None else outside)


class At(NamedTuple):
    """Which checkpoint of another rank has the value of a slot that is stored once for all."""

    rank: int
    attempt: int
    instant: Instant

    def told(self) -> list[object]:
        """Give it as plain data."""
        return [self.rank, self.attempt, self.instant.told()]

    @classmethod
    def from_told(cls, told: Any) -> At:  # noqa: ANN401 - anything that JSON can say
        """Read what `told` gave; `ValueError` when it is something else."""
        if type(told) is not list or len(told) != len(cls._fields):
            raise ValueError("it is [rank, attempt, instant]")
        rank, attempt, instant = told
        if any(type(number) is not int for number in (rank, attempt)) or rank < 0 or attempt < 1:
            raise ValueError("rank and attempt are whole numbers, from 0 and 1 on")
        return cls(rank, attempt, Instant.from_told(instant))


@dataclass(frozen=True, slots=True)
class Part:
    """Of how many ranks, in which attempt, and at which instant a checkpoint is; ``counts`` if others have the same.

    One that does not count was made at a moment of this rank alone, or lacks a value that a rule must give: it is no
    part of a checkpoint of the job.
    """

    __module__ = "lattice_addons.checkpoint"

    world: int
    attempt: int
    instant: Instant
    counts: bool

    @property
    def place(self) -> tuple[int, Instant]:
        """What orders the parts of one rank."""
        return self.attempt, self.instant

    def told(self) -> dict[str, object]:
        """Give it as plain data."""
        return {
            "world": self.world,
            "attempt": self.attempt,
            "instant": self.instant.told(),
            "counts": self.counts,
        }

    @classmethod
    def from_told(cls, told: Any) -> Part:  # noqa: ANN401 - anything that JSON can say
        """Read what `told` gave; `ValueError` when it is something else."""
        if type(told) is not dict or told.keys() != {"world", "attempt", "instant", "counts"}:
            raise ValueError("its fields are not world, attempt, instant, counts")
        world, attempt = told["world"], told["attempt"]
        if any(type(number) is not int or number < 1 for number in (world, attempt)):
            raise ValueError("world and attempt are whole numbers from 1 on")
        if type(told["counts"]) is not bool:
            raise ValueError("counts is true or false")
        return cls(world, attempt, Instant.from_told(told["instant"]), told["counts"])
