"""The overview of an experiment on a terminal, while it runs."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from lattice_addons._amounts import duration

from ._display import Display, conclusion, head_of
from ._tally import Tally, results_of, why

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from ._record import Record
    from ._summary import Plan, Summary

__all__ = ["Overview"]

_NEWEST, _FAILURES, _A_SECOND = 5, 4, 4
# Lines of a terminal that are not for what runs: head, bar, titles, and what is below it.
_OTHERS = 8


class Overview(Display):
    """Draws what runs, how far all is, the newest results, and failures; and at the end a summary that stays."""

    __module__ = "lattice_addons.experiments"

    def __init__(self, stream: TextIO) -> None:
        self._console = Console(file=stream)
        self._running: dict[str, tuple[str, str, float]] = {}
        self._newest: deque[Record] = deque(maxlen=_NEWEST)
        self._live: Live | None = None
        self.tally: Tally

    def begin(self, plan: Plan) -> None:
        """Begin to draw."""
        self.tally = Tally(plan)
        self._live = Live(
            get_renderable=self.drawn,
            console=self._console,
            refresh_per_second=_A_SECOND,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    def started(self, identity: str, name: str, worker: str) -> None:
        """Draw a setting among those that run."""
        self._running[identity] = (name, worker, time.monotonic())

    def ended(self, record: Record) -> None:
        """Draw a setting among the newest results, or among the failures."""
        self._running.pop(record.identity, None)
        self.tally.count(record)
        if record.status in ("done", "pruned"):
            self._newest.append(record)

    def end(self, summary: Summary) -> None:
        """Take the drawing away, and write what came of all."""
        if self._live is not None:
            self._live.stop()
            self._live = None
        for line in conclusion(summary, self.tally):
            self._console.print(Text(line), soft_wrap=True)

    def drawn(self) -> RenderableType:
        """Give the drawing as it is now; called by the thread that draws."""
        parts: list[RenderableType] = [Text(head_of(self.tally.plan), style="bold"), self._progress()]
        bad = [*self.tally.bad.values()][-_FAILURES:]
        room = max(self._console.height - _OTHERS - len(self._newest) - len(bad), 1)
        running = [*self._running.values()]
        if running:
            now = time.monotonic()
            rows = [
                (name, f"worker {worker}" if worker else "", duration(now - at))
                for name, worker, at in running
            ]
            parts.append(_table("running", rows[:room], len(rows) - room))
        if self._newest:
            parts.append(
                _table("newest", [(each.name, results_of(each)) for each in reversed([*self._newest])])
            )
        if bad:
            rows_bad = [(each.name, f"{each.status}: {why(each)}") for each in bad]
            parts.append(_table("failures", rows_bad, len(self.tally.bad) - len(bad), style="red"))
        return Group(*parts)

    def _progress(self) -> RenderableType:
        plan, tally = self.tally.plan, self.tally
        line = Table.grid(padding=(0, 2))
        words = f"{tally.words()}; {duration(tally.seconds)}"
        if tally.left is not None:
            words += f", {duration(tally.left)} left"
        bar = ProgressBar(
            total=plan.total, completed=tally.before + tally.ended, width=30, pulse=plan.total is None
        )
        line.add_row(bar, Text(words))
        return line


def _table(title: str, rows: Sequence[tuple[str, ...]], more: int = 0, style: str = "") -> RenderableType:
    table = Table.grid(padding=(0, 2))
    for number in range(len(rows[0])):
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1 if number == 1 else None)
    for row in rows:
        # As text: a setting named "[red]" is no markup.
        table.add_row(*(Text(f"  {cell}" if not at else cell, style=style) for at, cell in enumerate(row)))
    if more > 0:
        table.add_row(Text(f"  … and {more:,} more", style=style))
    return Group(Text(title, style="dim"), table)
