"""Contenders run in turn, round after round; what is compared is the medians of one run.

Nothing is deleted, and nothing is left over from the one before, while a time is taken: deleting is slow on many disks,
and so is memory that the disk is still busy with.
"""

from __future__ import annotations

import gc
import os
import statistics
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks._row import Row, failed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Contender", "Times", "in_turn", "ratio"]

PAUSE = 0.2


def _nothing() -> None:
    """Do nothing."""


@dataclass(frozen=True)
class Contender:
    """One way to do the work: ``run`` is timed, what is called ``before`` and ``after`` it is not.

    ``clock`` says that ``run`` took its own time (in another process, say) and returns the seconds.
    """

    name: str
    run: Callable[[], object]
    before: Callable[[], object] = _nothing
    after: Callable[[], object] = _nothing
    rounds: int | None = None
    clock: bool = False

    def time(self) -> float:
        """Give the seconds that one run takes."""
        self.before()
        _settle()
        begun = time.perf_counter()
        given = self.run()
        took = time.perf_counter() - begun
        self.after()
        return float(given) if self.clock else took  # type: ignore[arg-type]  # whatever is no number fails here


@dataclass
class Times:
    """What one contender needed, or why it could not take part."""

    name: str
    seconds: list[float] = field(default_factory=list)
    error: str = ""

    @property
    def median(self) -> float:
        """Give the median of the seconds."""
        return statistics.median(self.seconds)

    def __str__(self) -> str:
        """Give the contender with its median and its range."""
        if self.error:
            return f"{self.name}: {self.error}"
        low, high = min(self.seconds), max(self.seconds)
        return f"{self.name} {_short(self.median)} ({_short(low)}–{_short(high)})"


def in_turn(contenders: Sequence[Contender], rounds: int) -> dict[str, Times]:
    """Run all of them in turn, once to warm up and then as often as asked; give their times by their names.

    One that fails is left out from then on; the others go on.
    """
    times = {one.name: Times(one.name) for one in contenders}
    for number in range(rounds + 1):
        # Each begins a round in its turn, so that none always comes after the same other.
        start = number % len(contenders)
        for one in (*contenders[start:], *contenders[:start]):
            mine = times[one.name]
            if mine.error or number > (one.rounds or rounds):
                continue
            try:
                took = one.time()
            except Exception as error:  # noqa: BLE001 - whatever one raises, the others are measured
                mine.error = f"{type(error).__name__}: {error}"
                print(f"  {one.name}: {mine.error}", file=sys.stderr)
                continue
            if number:
                mine.seconds.append(took)
    return times


def ratio(what: str, ours: Times, theirs: Times, target: float | None) -> Row:
    """Give the row that compares two medians."""
    for one in (ours, theirs):
        if one.error or not one.seconds:
            return failed(what, f"{one.name}: {one.error or 'never ran'}", target)
    return Row(what, ours.median / theirs.median, target, details=f"{ours}; {theirs}")


def _settle() -> None:
    gc.collect()
    os.sync()
    time.sleep(PAUSE)


def _short(seconds: float) -> str:
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{seconds * 1e3:.3g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.3g} µs"
