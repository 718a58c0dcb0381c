"""Settings run in the runner's own process, one by one, where a debugger sees them."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from ._pool import Outcome, Pool
from ._running import Running
from ._worker import run_one

if TYPE_CHECKING:
    from ._course import Course
    from ._pool import Task

__all__ = ["InProcess"]


class InProcess(Pool):
    """No workers: `finished` runs the next task, and what that prints is printed."""

    def __init__(self, course: Course) -> None:
        self._course = course
        self._tasks: deque[Task] = deque()

    def submit(self, task: Task) -> None:
        """Take a task."""
        self._tasks.append(task)

    def finished(self, timeout: float) -> list[Outcome]:  # noqa: ARG002 - it takes as long as the run does
        """Run one task."""
        if not self._tasks:
            return []
        task = self._tasks.popleft()
        self.started(task, "")
        what = Running(self._course, task, 0)
        record, lost = run_one(what, apart=False)
        stateful = what.state is not None
        return [Outcome(task, record, lost, host=record.host, pid=record.pid, stateful=stateful)]

    def close(self, *, kill: bool = False) -> None:  # noqa: ARG002 - nobody is there to be killed
        """Forget what was not run."""
        self._tasks.clear()
