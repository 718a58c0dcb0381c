"""What a runner is about to do, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._record import Record

__all__ = ["Plan", "Summary"]


@dataclass(frozen=True)
class Plan:
    """What a display is told before the first setting is run."""

    __module__ = "lattice_addons.experiments"

    experiment: str
    #: How many settings there are; None where that would have to be counted out.
    total: int | None
    #: How many of them are recorded as done or pruned, and are not run again.
    done: int
    #: How many are recorded as failed or killed, and wait to be asked for.
    failed: int
    workers: int
    #: The folder or URL with journal, logs and results.
    place: str
    searched: tuple[str, ...] = ()

    @property
    def left(self) -> int:
        """How many settings are to be run, as far as that is known."""
        return max((self.total or 0) - self.done - self.failed, 0)


@dataclass
class Summary:
    """What one call of `run_all` did; settings that were done before it are ``skipped``."""

    __module__ = "lattice_addons.experiments"

    experiment: str
    place: str
    done: int = 0
    failed: int = 0
    skipped: int = 0
    killed: int = 0
    pruned: int = 0
    #: Settings recorded as failed or killed before, which were not asked for again.
    waiting: int = 0
    seconds: float = 0.0
    #: What broke it off: ``Ctrl-C``, the name of a signal, or ``an error``; empty where it came to its end.
    stopped: str = ""
    #: With ``dry_run``: the names of the settings that would be run, in order.
    planned: list[str] = field(default_factory=list)
    #: The records of settings that failed or were killed now, without results.
    failures: list[Record] = field(default_factory=list)

    @property
    def ran(self) -> int:
        """Give how many settings were run."""
        return self.done + self.failed + self.killed + self.pruned

    def count(self, record: Record) -> None:
        """Add what became of a setting."""
        setattr(self, record.status, getattr(self, record.status) + 1)

    def __str__(self) -> str:
        """Say it in a sentence."""
        parts = [f"{len(self.planned)} would be run"] if self.planned else [f"{self.done} done"]
        words = ("failed", "killed", "pruned", "skipped")
        parts += [f"{getattr(self, word)} {word}" for word in words if getattr(self, word)]
        if self.waiting:
            parts.append(f"{self.waiting} failed before and not run again")
        return f"{self.experiment}: {', '.join(parts)} in {self.seconds:.1f} s"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: FBT001 - as IPython calls it
        del cycle
        printer.text(str(self))

    def _repr_html_(self) -> str:
        from lattice_addons._html import code, table

        from ._tally import why

        rows = [(record.name, record.status, code(why(record))) for record in self.failures]
        return table(("setting", "status", "why"), rows, above=str(self), below=[f"in {self.place}"])
