"""Shows how an experiment goes: an overview on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TextIO

from lattice_addons._amounts import duration

from ._tally import Tally, results_of, why

if TYPE_CHECKING:
    from ._record import Record
    from ._summary import Plan, Summary

__all__ = ["Display", "Lines", "Nothing", "display_for"]

# How far apart lines about the progress are: a tenth of the time that it has taken, within these bounds.
_NEAREST, _FARTHEST = 5.0, 300.0
_FAILURES = 20


def display_for(stream: TextIO | None, *, plain: bool = False) -> Display:
    """Give the display that fits a stream: lines where it is no terminal, or ``plain`` is said."""
    if stream is None:  # a program that was started without one
        return Nothing()
    if stream.isatty() and not plain:
        from ._overview import Overview

        return Overview(stream)
    return Lines(stream)


class Display:
    """What a runner tells of its settings; used by one thread."""

    __module__ = "lattice_addons.experiments"

    def begin(self, plan: Plan) -> None:
        """Take note of what is about to be done."""

    def started(self, identity: str, name: str, worker: str) -> None:
        """Take note of a setting that a worker has begun with."""

    def ended(self, record: Record) -> None:
        """Take note of a setting that has ended, however it did."""

    def end(self, summary: Summary) -> None:
        """Say at the end what came of all."""


class Nothing(Display):
    """Shows nothing."""

    __module__ = "lattice_addons.experiments"


class Lines(Display):
    """Writes a line when a setting fails, and now and then how far it is."""

    __module__ = "lattice_addons.experiments"

    def __init__(self, stream: TextIO) -> None:
        self._stream: TextIO | None = stream
        self._told = time.monotonic()
        self._newest: Record | None = None
        self._failures = 0
        self.tally: Tally

    def begin(self, plan: Plan) -> None:
        """Say what is about to be done."""
        self.tally = Tally(plan)
        self._told = time.monotonic()
        self._write(head_of(plan))

    def ended(self, record: Record) -> None:
        """Say that a setting failed; of one that went well only now and then."""
        self.tally.count(record)
        if record.status in ("failed", "killed"):
            self._failures += 1
            if self._failures <= _FAILURES:
                self._write(f"{record.name} {record.status}: {why(record)}{_log_of(record)}")
            elif self._failures == _FAILURES + 1:
                self._write("further failures are told at the end")
        elif record.status == "done":
            self._newest = record
        now = time.monotonic()
        if now - self._told >= min(max(self.tally.seconds / 10, _NEAREST), _FARTHEST):
            self._told = now
            self._write(self._progress())

    def end(self, summary: Summary) -> None:
        """Say what came of all."""
        for line in conclusion(summary, self.tally):
            self._write(line)

    def _progress(self) -> str:
        words = self.tally.words()
        if self.tally.left is not None:
            words += f", {duration(self.tally.left)} left"
        if self._newest is not None:
            words += f"; newest: {self._newest.name}: {results_of(self._newest)}".rstrip(": ")
        return words

    def _write(self, line: str) -> None:
        if self._stream is None:
            return
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            # Nobody reads any more (`| head`, a full disk): the runs go on all the same.
            self._stream = None


def head_of(plan: Plan) -> str:
    """Say in a line what is about to be done."""
    words = f"{plan.experiment}: "
    words += "settings" if plan.total is None else f"{plan.total:,} setting{'s' * (plan.total != 1)}"
    words += f", {plan.done:,} of them done before" if plan.done else ""
    words += f", {plan.failed:,} failed before" if plan.failed else ""
    workers = f"{plan.workers} process{'es' * (plan.workers != 1)}" if plan.workers else "this process"
    return f"{words}; on {workers}; kept in {plan.place}"


def conclusion(summary: Summary, tally: Tally) -> list[str]:
    """Give the lines that say what came of all, and what can be done about failures."""
    lines = [f"{tally.plan.experiment}: {tally.words()}, in {duration(summary.seconds)}"]
    bad = [*tally.bad.values()]
    lines += [
        f"  {record.name} {record.status}: {why(record)}{_log_of(record)}" for record in bad[:_FAILURES]
    ]
    if len(bad) > _FAILURES:
        lines.append(f"  … and {len(bad) - _FAILURES:,} more")
    command = f"lattice experiment {tally.plan.experiment}"
    if any(record.status == "failed" for record in bad) or summary.waiting:
        before = f"{summary.waiting:,} failed before and not run again; " * bool(summary.waiting)
        lines.append(f"  {before}`{command} --rerun failed` runs them once more")
    left = tally.left_over
    if summary.stopped:
        many = f" with {left:,} setting{'s' * (left != 1)} left" if left is not None else ""
        lines.append(f"  stopped by {summary.stopped}{many}: run it again to carry on, as `{command}` does")
    elif any(record.status == "killed" for record in bad):
        lines.append(f"  `{command}` runs again what was killed")
    return lines


def _log_of(record: Record) -> str:
    return f" (log: {record.log})" if record.log else ""
