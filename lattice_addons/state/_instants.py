"""Saves are numbered so that the same number means the same instant on every rank of a job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons.checkpoint import END, UNNAMED, Instant, Part
from lattice_addons.errors import StepOrderError

if TYPE_CHECKING:
    from lattice_addons.checkpoint import Ranks

__all__ = ["COMPLETE", "Instants"]

COMPLETE = "complete"
# A save that the program makes itself, at a place in it that all ranks come to.
_OWN = "manual"


class Instants:
    """Counts the saves of this process.

    Saves from outside fall on each rank at another moment. They are parts of a checkpoint of the job in a program that
    makes none itself, and then only.
    """

    def __init__(self, ranks: Ranks | None) -> None:
        self.ranks = ranks
        self._last = Instant()
        resume = ranks.resume if ranks is not None else None
        self._makes_own = resume is not None and resume.is_own

    def go_on_after(self, reached: Instant | None) -> None:
        """Go on counting behind what this rank has reached before it was restarted alone."""
        self._last = reached or self._last

    def check(self, step: int | None) -> None:
        """See that a save may be named after this step.

        Raises:
            StepOrderError: it is no whole number from 0 on, or not larger than the last one.
        """
        last = self._last.step
        if step is None or (type(step) is int and max(last + 1, 0) <= step < END):
            return
        known = f"larger than the last one, {last}" if last != UNNAMED else "0 or larger"
        message = (
            f"save(step={step!r}): a step is a whole number, {known}; "
            "to save twice at one step, leave the step out the second time"
        )
        raise StepOrderError(message, step=step, last=last if last != UNNAMED else None)

    def next(self, reason: str, step: int | None = None, *, settled: bool = True) -> Part | None:
        """Give the place of the next save; None where the process is alone in its job, and all is settled.

        Without ``settled`` it does not count: a slot waits for a rule that says what its value is.
        """
        self.check(step)
        last = self._last
        if reason == COMPLETE:
            # However many saves each rank made: otherwise one that has ended would be at the instant of another's save.
            self._last = Instant(last.done + 1)
        elif step is not None:
            self._last = Instant(last.done, step)
        elif reason == _OWN:
            self._last = last._replace(own=last.own + 1, outside=0)
        else:
            # Behind the end comes only the end, of a rank that was started again.
            self._last = last._replace(outside=END if reason == "exit" else min(last.outside + 1, END))
        self._makes_own = self._makes_own or self._last.is_own
        ranks = self.ranks
        if ranks is None or (ranks.attempt is None and settled):
            return None
        counts = settled and (not self._makes_own or not self._last.outside)
        return Part(ranks.world, ranks.number, self._last, counts)
