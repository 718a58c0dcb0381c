"""Many small settings go to a worker at a time: so many as take a twentieth of a second."""

from __future__ import annotations

import pickle
from collections import deque
from typing import TYPE_CHECKING, Any

from ._shared import pack_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._pool import Task

__all__ = ["Batches", "packed"]

#: Seconds that a batch should take, which is also how much later than need be its first record is counted.
SECONDS = 0.05
_MOST = 500
_GROWTH = 4  # times as many as in the batch before, at most
# In a worker that is another program than the runner's: what is of that goes by value, as the experiment's class does.
_MAIN = b"__main__"
_WEIGHT = 0.3  # of the newest batch, in how long a run takes


class Batches:
    """Tasks that wait for a worker, and how many of them go to one at a time."""

    def __init__(self) -> None:
        self.size = 1
        self._waiting: deque[Task] = deque()
        self._seconds = 0.0

    def __len__(self) -> int:
        """Count the tasks that wait."""
        return len(self._waiting)

    def add(self, task: Task) -> None:
        """Let a task wait behind the others."""
        self._waiting.append(task)

    def give_back(self, tasks: Sequence[Task]) -> None:
        """Let tasks that were not begun be the next ones again."""
        self._waiting.extendleft(reversed(tasks))

    def take(self, among: int) -> list[Task]:
        """Take what goes to a worker now; where little is left, so many workers share it."""
        count = min(self.size, max(len(self._waiting) // max(among, 1), 1), len(self._waiting))
        return [self._waiting.popleft() for _ in range(count)]

    def learn(self, runs: int, seconds: float) -> None:
        """Take note of how long so many runs took."""
        each = max(seconds / max(runs, 1), 1e-6)
        self._seconds = each if not self._seconds else _WEIGHT * each + (1 - _WEIGHT) * self._seconds
        # A run that takes long counts at once; that runs are quick must show itself.
        fitting = int(SECONDS / max(each, self._seconds)) or 1
        self.size = min(fitting, self.size * _GROWTH, _MOST)

    def clear(self) -> None:
        """Forget what waits."""
        self._waiting.clear()


def packed(tasks: Sequence[Task]) -> bytes:
    """Give tasks as bytes, large values by where they are shared; whatever pickle raises where one cannot travel."""
    import dataclasses

    told: list[Any] = [dataclasses.replace(task, values=pack_values(task.values)) for task in tasks]
    try:
        plain = pickle.dumps(told)
    except Exception:  # noqa: BLE001 - pickle says in many ways that it cannot; the next one can do more, or says why
        plain = _MAIN
    if _MAIN not in plain:
        return plain
    import cloudpickle

    return bytes(cloudpickle.dumps(told))
