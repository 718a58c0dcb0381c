"""A slot runs one batch at a time, somewhere else; a pool of them keeps each busy."""

from __future__ import annotations

import abc
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lattice_addons.errors import ExecutorError, StoreError

from ._batches import SECONDS, Batches
from ._pool import Outcome, Pool
from ._travelling import travelling
from ._worker import outcome_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._course import Course
    from ._pool import Task

__all__ = ["LIMIT", "Slot", "SlotPool"]

#: Seconds after which a worker gives back what it has not begun of a batch.
LIMIT = 2 * SECONDS
_ROOM = 3  # batches for each slot that a pool likes to have at hand


@dataclass(eq=False)
class Slot:
    """Where one run goes on at a time; its number is the run's rank."""

    rank: int
    name: str = ""
    tasks: list[Task] = field(default_factory=list)
    began: float = 0.0
    future: Any = None


class SlotPool(Pool):
    """Slots that are given batches; what a batch is given to, and how it is waited for, is up to the kind of pool."""

    def __init__(self, course: Course) -> None:
        self._name = course.place.experiment
        self._slots: list[Slot] = []
        self._batches = Batches()
        self._ready: list[Outcome] = []

    @property
    def size(self) -> int:  # type: ignore[override] # it changes by itself
        """How many runs go on at a time."""
        return max(len(self._slots), 1)

    @abc.abstractmethod
    def _begin(self, slot: Slot, whole: bytes) -> Any:
        """Let a slot run tasks, and give the future of what they give."""

    @abc.abstractmethod
    def _wait(self, futures: list[Any], timeout: float) -> None:
        """Wait until one of these is done, or so long."""

    @abc.abstractmethod
    def _how_lost(self, slot: Slot, error: BaseException) -> str:
        """Say what became of a worker; nothing where the error is no loss of one."""

    def _result(self, future: Any) -> Any:
        """Give what a future that is done gives, or raise what it raises; None where it cannot be had yet."""
        return future.result()

    def _mended(self, slot: Slot, error: BaseException) -> bool:  # noqa: ARG002 - for those who can
        """Give a worker what it lacked; say whether its tasks, of which it has run none, can be sent again."""
        return False

    def room(self, waiting: int) -> int:
        """Say how many more tasks should be submitted now."""
        return max(_ROOM * self.size * self._batches.size - waiting, 0)

    def submit(self, task: Task) -> None:
        """Take a task."""
        self._batches.add(task)

    def finished(self, timeout: float) -> list[Outcome]:
        """Give what has ended since the last call, and keep every slot busy."""
        self._send()
        if not self._ready:
            self._wait([slot.future for slot in self._slots if slot.future is not None], timeout)
        for slot in list(self._slots):
            if slot.future is not None and slot.future.done():
                self._collect(slot)
        self._send()
        ready, self._ready = self._ready, []
        return ready

    def _send(self) -> None:
        for slot in self._slots:
            if slot.future is None and len(self._batches):
                self._give(slot, self._batches.take(self.size))

    def _give(self, slot: Slot, tasks: list[Task]) -> None:
        tasks, whole, refused = travelling(tasks)
        self._ready += refused
        if not tasks:
            return
        slot.tasks, slot.began = tasks, time.monotonic()
        slot.future = self._begin(slot, whole)
        for task in tasks:
            self.started(task, slot.name or str(slot.rank))

    def _collect(self, slot: Slot) -> None:
        future, slot.future = slot.future, None
        try:
            result = self._result(future)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as raised:  # noqa: BLE001 - each kind of future is cancelled by an error of its own kind
            error = raised
        else:
            if result is None:
                slot.future = future
            else:
                self._take(slot, result)
            return
        if self._mended(slot, error):
            self._batches.give_back(slot.tasks)
            return
        how = self._how_lost(slot, error)
        if not how:
            raise self._refusal(error)
        self._lose(slot, how)

    def _take(self, slot: Slot, result: Sequence[Any]) -> None:
        self._ready += [outcome_of(slot.tasks[ran.number], ran) for ran in result]
        self._batches.give_back(slot.tasks[len(result) :])
        if result:
            self._batches.learn(len(result), time.monotonic() - slot.began)

    def _lose(self, slot: Slot, how: str) -> None:
        """Tell of tasks whose worker was lost; which of several it died of is found out by running each alone."""
        slot.future = None
        if len(slot.tasks) == 1:
            self._ready.append(Outcome(slot.tasks[0], None, how))
        else:
            self._batches.give_back(slot.tasks)
        self._batches.size = 1

    def _refusal(self, error: BaseException) -> BaseException:
        if isinstance(error, StoreError):
            return error
        message = f"a worker cannot run {self._name}: {type(error).__name__}: {error}"
        refusal = ExecutorError(f"{message}\nnum_proc=0 runs in this process", experiment=self._name)
        refusal.__cause__ = error
        return refusal
