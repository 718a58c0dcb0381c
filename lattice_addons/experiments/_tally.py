"""How far an experiment is: what has ended, how, and how long the rest will take."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ._rows import shown

if TYPE_CHECKING:
    from ._record import Record
    from ._summary import Plan

__all__ = ["Tally", "results_of", "why"]

_LONGEST = 200


class Tally:
    """Counts what ends while a plan is carried out."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.began = time.monotonic()
        self.counts = {"done": 0, "pruned": 0, "failed": 0, "killed": 0}
        #: What failed or was killed and has not been run again since, by identity.
        self.bad: dict[str, Record] = {}

    def count(self, record: Record) -> None:
        """Count a record; an attempt that took the place of another is one setting with it."""
        before = self.bad.pop(record.identity, None)
        if before is not None:
            self.counts[before.status] -= 1
        self.counts[record.status] += 1
        if record.status in ("failed", "killed"):
            self.bad[record.identity] = record

    @property
    def before(self) -> int:
        """Give how many settings had ended before."""
        return self.plan.done + self.plan.failed

    @property
    def ended(self) -> int:
        """Give how many settings have ended since the runner began."""
        return sum(self.counts.values())

    @property
    def left_over(self) -> int | None:
        """Give how many settings the next start would run, as far as that is known."""
        if self.plan.total is None:
            return None
        return max(self.plan.total - self.before - self.ended + self.counts["killed"], 0)

    @property
    def seconds(self) -> float:
        """Give how long the runner has run."""
        return time.monotonic() - self.began

    @property
    def left(self) -> float | None:
        """Give the seconds that the rest will take, as far as that can be told."""
        if self.plan.total is None or not self.ended:
            return None
        return self.seconds / self.ended * max(self.plan.total - self.before - self.ended, 0)

    def words(self) -> str:
        """Say what became of the settings: those that did not go well only where there are any."""
        done = f"{self.plan.done + self.counts['done']:,}"
        words = [f"{done} of {self.plan.total:,} done" if self.plan.total is not None else f"{done} done"]
        words += [
            f"{count:,} {status}" for status, count in self.counts.items() if status != "done" and count
        ]
        return ", ".join(words)


def results_of(record: Record, most: int = 4) -> str:
    """Say in a line what a run returned: the first of its numbers and short texts."""
    if not record.rows:
        return ""
    row = {name: value for name, value in shown(record.rows[-1]).items() if name not in record.values}
    words = [
        f"{name}={_short(value)}" for name, value in row.items() if isinstance(value, (bool, int, float, str))
    ]
    return ", ".join(words[:most]) + (", …" if len(words) > most else "")


def why(record: Record) -> str:
    """Say in a line why a setting failed: the last line of its traceback, or how its worker died."""
    lines = [line for line in record.error.splitlines() if line.strip()]
    last = lines[-1].strip() if lines else record.status
    return last if len(last) <= _LONGEST else last[: _LONGEST - 1] + "…"


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    text = str(value)
    return text if len(text) <= _LONGEST // 8 else text[: _LONGEST // 8 - 1] + "…"
