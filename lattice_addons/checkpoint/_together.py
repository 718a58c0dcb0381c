"""What a rank keeps for the others' sake: a checkpoint of the job needs every rank's part, and some values of one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from lattice_addons.checkpoint._attempts import Attempts
from lattice_addons.checkpoint._parts import Parts

if TYPE_CHECKING:
    from lattice_addons.checkpoint._complete import Complete
    from lattice_addons.checkpoint._line import Line
    from lattice_addons.checkpoint._part import Part

__all__ = ["STORES", "Together"]

#: The rank that stores what all have alike.
STORES = 0
# Of the time a look at the other ranks takes, so many times as much passes before the next one.
_PAUSE = 20
_NOTHING = 2**63


class Together:
    """How far all ranks of a job have come, as of the last look; before the first one, nothing is known to be old."""

    def __init__(self, rank: int) -> None:
        self._rank = rank
        self._parts: Parts | None = None
        self._look_again = 0.0
        self._floor = 0
        # Where other ranks' checkpoints look for values; None before it was looked up.
        self._referred: set[object] | None = None if rank == STORES else set()
        self._others: Parts | None = None

    @property
    def floor(self) -> int | None:
        """The number from which on a restart may need this rank's checkpoints; None where that is not known."""
        return self._floor if 0 < self._floor < _NOTHING else None

    def needs(self, number: int, part: Part | None = None) -> bool:
        """Tell whether a restart may need this checkpoint, or another rank's does.

        A restart may need the newest complete instant, and what is newer. What is older than that comes to no other
        rank any more, so that its checkpoints which look for a value here only grow fewer.
        """
        if number >= self._floor or part is None:
            return number >= self._floor
        return self._referred is None or part.place in self._referred

    def know(self, complete: Complete | None) -> None:
        """Take this to be the newest complete instant."""
        if complete is None:
            self._floor = 0
        else:
            # Of a rank that is not in it nothing is needed: the job goes on without.
            in_it = self._rank < complete.world
            self._floor = complete.numbers[self._rank] if in_it else _NOTHING

    def look(self, line: Line) -> None:
        """See how far the other ranks have come: each has its folder listed, and its newest manifests read."""
        began = time.monotonic()
        if began < self._look_again:
            return
        if self._parts is None:
            self._parts = Parts(line)
        self._parts.refresh()
        newest = self._parts.newest(Attempts(line).all())
        if self._rank == STORES:
            # After that: what became complete since refers to what is kept for its own sake.
            self._referred = set(self._parts.referred(STORES))
        self.know(newest)
        now = time.monotonic()
        self._look_again = now + _PAUSE * (now - began)

    def others(self, line: Line) -> Parts:
        """Give what is known of the other ranks' checkpoints, to read values from, also those only here so far."""
        if self._others is None:
            self._others = Parts(line, waiting=True)
        return self._others
