"""Numbers over checkpoints: slots that hold one, or some within, and what the saves took."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import orjson

from lattice_addons.errors import LatticeError

from ._manifests import Newest
from ._values import numbers_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lattice_addons.checkpoint import Checkpoint

    from ._facts import CheckpointFacts
    from ._manifests import Manifests

__all__ = ["Series", "SeriesReader", "costs", "sampled"]

Item = TypeVar("Item")
# A line through so many points is as good as one through all.
_POINTS = 400
# Longer values are no scalars, and so many numbers of one checkpoint are enough to choose from.
_LONGEST, _MOST = 16 * 1024, 200
_KEPT = 20_000
_COSTS = (
    ("bytes_total", "size of all values", "bytes"),
    ("bytes_new", "new bytes", "bytes"),
    ("seconds", "seconds for the save", "seconds"),
    ("standstill", "seconds the program stood still", "seconds"),
)


@dataclass(frozen=True, slots=True)
class Series:
    """One number over the checkpoints that have it: pairs of the checkpoint's number and its own."""

    __module__ = "lattice_addons.service"

    name: str
    unit: str
    points: tuple[tuple[int, float], ...]

    @property
    def last(self) -> float:
        """Give the newest value."""
        return self.points[-1][1]


class SeriesReader:
    """Reads each checkpoint's numbers once."""

    def __init__(self, manifests: Manifests) -> None:
        self._manifests = manifests
        self._numbers: Newest[dict[str, float]] = Newest(_KEPT)

    def slots(self, job: str, rank: int, numbers: Sequence[int]) -> list[Series]:
        """Give a line for each number in slots that at least one of these checkpoints has, by name."""
        found: dict[str, list[tuple[int, float]]] = {}
        for number in sampled(numbers):
            key = self._manifests.key(job, rank, number)
            for name, value in self._numbers.get(key, partial(self._read, job, rank, number)).items():
                found.setdefault(name, []).append((number, value))
        return [Series(name, "", tuple(points)) for name, points in found.items()]

    def _read(self, job: str, rank: int, number: int) -> dict[str, float]:
        try:
            return _numbers_of(self._manifests.line(job, rank).load(number))
        except LatticeError:
            return {}


def costs(facts: Sequence[CheckpointFacts]) -> list[Series]:
    """Give the lines of what saves took, the oldest first."""
    chosen = sampled([each for each in facts if not each.problem])
    lines = []
    for name, label, unit in _COSTS:
        values = [(each.number, getattr(each, name)) for each in chosen]
        points = tuple((number, float(value)) for number, value in values if value is not None)
        if points:
            lines.append(Series(label, unit, points))
    return lines


def sampled(many: Iterable[Item]) -> list[Item]:
    """Give all, or as many as a line needs, evenly; the last is always there."""
    many = list(many)
    if len(many) <= _POINTS:
        return many
    step = len(many) / _POINTS
    return [many[min(int((at + 1) * step) - 1, len(many) - 1)] for at in range(_POINTS)]


def _numbers_of(checkpoint: Checkpoint) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, entry in checkpoint.lines.items():
        if entry.encoding == "json" and entry.value is not None and len(entry.value) <= _LONGEST:
            found.update(numbers_in(name, orjson.loads(entry.value)))
        if len(found) >= _MOST:
            break
    return found
