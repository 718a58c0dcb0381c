"""The jobs of a store as they were a moment ago: thousands are looked at in turn, and those that run all the time."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from lattice_addons.errors import LatticeError

from ._facts import STATES

if TYPE_CHECKING:
    from ._facts import JobView
    from ._jobs import Jobs

__all__ = ["Board", "Snapshot"]

# How old what is shown may be, in seconds.
_FRESH = 1.0
# How long a look may take: the first one, one while there are jobs that were never read, and any other.
_FIRST, _UNREAD, _BUDGET = 0.8, 0.6, 0.25


class Snapshot:
    """What was known at one moment; ``version`` is another one when something has changed."""

    def __init__(self, version: int, jobs: dict[str, JobView], waiting: int = 0, problem: str = "") -> None:
        self.version = version
        self.jobs = jobs
        self.waiting = waiting
        self.problem = problem


class Board:
    """Looks at the jobs of a store when somebody asks, not more often than each second, in the asker's thread."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._looking = threading.Lock()
        self._turn: list[str] = []
        # Those that do not run, and are known in short as yet.
        self._brief: set[str] = set()
        self._seen = Snapshot(0, {})
        self._looked = float("-inf")

    def now(self, fresh: float | None = None) -> Snapshot:
        """Give all jobs, from a moment ago; of a large store what was found in time, and how many wait to be read."""
        fresh = _FRESH if fresh is None else fresh
        if time.monotonic() - self._looked < fresh:
            return self._seen
        # Only the first look is worth waiting for: later there is an answer, and somebody is at a newer one.
        if self._looking.acquire(blocking=not self._seen.version):
            try:
                if time.monotonic() - self._looked >= fresh:
                    self._look(
                        _FIRST if not self._seen.version else _UNREAD if self._seen.waiting else _BUDGET
                    )
            finally:
                self._looking.release()
        return self._seen

    def _look(self, budget: float) -> None:
        begun = time.monotonic()
        old = self._seen
        try:
            names = self._jobs.manifests.store.folders()
        except LatticeError as error:
            self._seen = Snapshot(old.version + (old.problem != str(error)), old.jobs, 0, str(error))
            self._looked = time.monotonic()
            return
        there = set(names)
        self._brief &= there
        found = {name: view for name, view in old.jobs.items() if name in there}
        waiting = self._ordered(names, found)
        looked = 0
        # Those that run are looked at whatever it takes: what would be lost is what people look for.
        while waiting and (not looked or waiting[-1][1] or time.monotonic() - begun < budget):
            name, running = waiting.pop()
            looked += not running
            # Thousands are first looked at in short: a page that tells of all of them is what people wait for.
            briefly = name not in old.jobs
            view = self._jobs.job(name, briefly=briefly)
            short = briefly and view is not None and not view.alive
            (self._brief.add if short else self._brief.discard)(name)
            if view is None:
                found.pop(name, None)
            else:
                found[name] = view
        self._turn = [name for name, _ in waiting]
        jobs = dict(sorted(found.items()))
        unread = sum(name not in jobs for name, _ in waiting)
        changed = jobs != old.jobs or old.problem or unread != old.waiting
        self._seen = Snapshot(old.version + bool(changed or not old.version), jobs, unread)
        self._looked = time.monotonic()

    def _ordered(self, names: list[str], found: dict[str, JobView]) -> list[tuple[str, bool]]:
        """Give all jobs, the first to be looked at last: that run, are new, are known in short, have waited longest."""
        left = set(self._turn)
        runs = {name for name, view in found.items() if view.state in STATES[:2]}

        def rank(name: str) -> int:
            if name in runs:
                return 0
            return 1 if name not in found else 2 if name in self._brief else 3 if name in left else 4

        return [(name, name in runs) for name in sorted(names, key=rank, reverse=True)]
