"""What is remembered of a loop, and of where a program was when it was saved."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ._variables import prune

__all__ = ["Goal", "Record"]

Left = dict[str, dict[str, tuple[bool, object]]]


@dataclass
class Record:
    """One loop over a loader: how many batches it gave, whether it went to its end, and what it left in variables."""

    name: str
    index: int
    given: int = 0
    ended: bool = False
    over: bool = False
    left: Left = field(default_factory=dict)

    def plain(self) -> list[object]:
        """Give it as plain data."""
        return [self.given, self.ended, self.over, self.left]

    def forget_what_is_large(self) -> None:
        """Keep only small values: another loop over the same loader has left newer ones."""
        prune(self.left)


@dataclass
class Goal:
    """Where a program was: in a loop over the loader ``name``, or after it; without loaders, after so many steps."""

    name: str | None
    index: int
    after: bool
    steps: int
    loops: dict[str, list[list[Any]]]

    def record(self, name: str, index: int) -> Record:
        """Give what is remembered of a loop; of one that was not there, nothing."""
        stored = self.loops.get(name, [])
        if index >= len(stored):
            return Record(name, index)
        given, ended, over, left = stored[index]
        return Record(name, index, given, ended, over, left)

    def knows(self, name: str, index: int) -> bool:
        """Say whether the saved program went through this loop."""
        return index < len(self.loops.get(name, []))
