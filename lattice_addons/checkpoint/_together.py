"""What a rank keeps for the others' sake: a checkpoint of the job needs every rank's part."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from lattice_addons.checkpoint._attempts import Attempts
from lattice_addons.checkpoint._parts import Parts

if TYPE_CHECKING:
    from lattice_addons.checkpoint._line import Line
    from lattice_addons.checkpoint._parts import Complete

__all__ = ["Together"]

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

    def needs(self, number: int) -> bool:
        """Tell whether a restart may need this checkpoint: it is of the newest complete instant, or newer."""
        return number >= self._floor

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
        self.know(self._parts.newest(Attempts(line).all()))
        now = time.monotonic()
        self._look_again = now + _PAUSE * (now - began)
