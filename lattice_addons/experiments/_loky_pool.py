"""Worker processes of this machine, each alone in its lane: when one dies, the others do not notice."""

from __future__ import annotations

import time
from concurrent.futures import FIRST_COMPLETED, wait
from typing import TYPE_CHECKING

from lattice_addons.errors import ExecutorError

from ._batches import Batches
from ._lane import Lane
from ._needs import needed
from ._pool import Outcome, Pool

if TYPE_CHECKING:
    from ._course import Course
    from ._journal import Journal
    from ._pool import Task

__all__ = ["LokyPool"]

_SILENT = 3  # workers in a row that may die before they begin with anything
_ROOM = 3  # batches for each worker that a pool likes to have at hand


class LokyPool(Pool):
    """So many processes, started when there is something for them to do."""

    def __init__(self, course: Course, journal: Journal, size: int) -> None:
        self.size = size
        self._name = course.place.experiment
        needed("loky")
        packed = course.packed()
        self._lanes = [Lane(number, packed, course, journal) for number in range(size)]
        self._batches = Batches()
        self._ready: list[Outcome] = []
        self._silent = 0

    def warm(self, most: int) -> None:
        """Start processes, which import what they need."""
        for lane in self._lanes[:most]:
            lane.warm()

    def room(self, waiting: int) -> int:
        """Say how many more tasks should be submitted now."""
        return max(_ROOM * self.size * self._batches.size - waiting, 0)

    def submit(self, task: Task) -> None:
        """Take a task."""
        self._batches.add(task)

    def finished(self, timeout: float) -> list[Outcome]:
        """Give what has ended since the last call, and keep every worker busy."""
        self._send()
        busy = [lane.future for lane in self._lanes if lane.future is not None]
        if busy and not self._ready:
            wait(busy, timeout, FIRST_COMPLETED)
        for lane in self._lanes:
            if lane.future is not None and lane.done():
                self._collect(lane)
        self._send()
        ready, self._ready = self._ready, []
        return ready

    def close(self, *, kill: bool = False) -> None:
        """Let the workers go."""
        try:
            self._batches.clear()
            for lane in self._lanes:
                lane.leave(kill=kill)
            for lane in self._lanes:
                lane.close()
        except BaseException:
            # A second Ctrl-C. What is left running now would be waited for at the end of this process.
            for lane in self._lanes:
                lane.close(wait=False)
            raise

    def _send(self) -> None:
        free = [lane for lane in self._lanes if lane.future is None]
        for lane in free:
            if not len(self._batches):
                return
            tasks = self._batches.take(len(self._lanes))
            refused = lane.send(tasks)
            self._ready += refused
            gone = {outcome.task.identity for outcome in refused}
            for task in tasks:
                if task.identity not in gone:
                    self.started(task, str(lane.rank))

    def _collect(self, lane: Lane) -> None:
        ended = lane.ended()
        ran = len(ended.outcomes)
        self._batches.give_back(ended.rest)
        self._ready += ended.outcomes
        if ended.died:
            # After a death in a batch of many each goes alone, so that it is known whose fault the next one is.
            self._batches.size = 1
            self._silent = 0 if ran else self._silent + 1
            if self._silent >= _SILENT:
                message = (
                    f"the workers of {self._name} die before they run anything; the last one {ended.died}"
                )
                raise ExecutorError(
                    f"{message}. Try num_proc=0, which runs in this process", experiment=self._name
                )
        elif ran:
            self._silent = 0
            self._batches.learn(ran, time.monotonic() - lane.began)
