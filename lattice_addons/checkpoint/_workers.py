"""A few threads do what needs no interpreter: copying, digesting, compressing, reading and writing."""

from __future__ import annotations

import _thread
import os
from _queue import SimpleQueue
from collections import deque
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from lattice_addons.lifecycle import start_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["BYTES", "DISK", "Task", "Workers"]

Result = TypeVar("Result")


class Task(Generic[Result]):
    """A job that was handed over, and what came of it."""

    __slots__ = ("_done", "_error", "_job", "_result")

    def __init__(self, job: Callable[[], Result]) -> None:
        self._job: Callable[[], Result] | None = job
        self._result: Result
        self._error: BaseException | None = None
        self._done = _thread.allocate_lock()
        self._done.acquire()

    def do(self) -> None:
        """Do the job, in whichever thread this is."""
        assert self._job is not None  # noqa: S101 - a task is done once
        try:
            self._result = self._job()
        except BaseException as error:  # noqa: BLE001 - it is for the thread that asks for the result
            self._error = error
        finally:
            # What the job holds, as a buffer, must not wait for the task to be forgotten.
            self._job = None
            self._done.release()

    def wait(self) -> None:
        """Wait until it is done."""
        self._done.acquire()
        self._done.release()

    def result(self) -> Result:
        """Wait until it is done, and give what came of it or raise what went wrong."""
        self.wait()
        if self._error is not None:
            raise self._error
        return self._result


class Workers:
    """Some daemon threads, started when there is something to do and as many as are needed.

    Where no thread can be started (at exit, from Python 3.12 on) jobs are done in the thread that has them.
    """

    def __init__(self, name: str, most: int) -> None:
        self._name = name
        self._most = most
        self._queue: SimpleQueue[Task[Any]] = SimpleQueue()
        self._count = 0
        self._pid = 0

    def hand(self, job: Callable[[], Result]) -> Task[Result]:
        """Have a job done soon, in the order in which jobs are handed over."""
        task = Task(job)
        if self._manned():
            self._queue.put(task)
        else:
            task.do()
        return task

    def run(self, jobs: Iterable[Callable[[], Result]], ahead: int = 8) -> Iterator[Result]:
        """Give the jobs' results in their order; at most so many are handed over and not yet given.

        However this ends, none of the jobs runs on afterwards: what they work on may be used again.
        """
        tasks: deque[Task[Result]] = deque()
        try:
            for job in jobs:
                if len(tasks) >= ahead:
                    yield tasks.popleft().result()
                tasks.append(self.hand(job))
            while tasks:
                yield tasks.popleft().result()
        finally:
            for task in tasks:
                task.wait()

    def _manned(self) -> bool:
        """See that the threads are there; a forked child has none, and none can be waited for there."""
        if self._pid != os.getpid():
            self._queue, self._count, self._pid = SimpleQueue(), 0, os.getpid()
        while self._count < self._most:
            try:
                start_thread(self._work(self._queue), f"{self._name}-{self._count}")
            except RuntimeError:  # the interpreter is at its end, or the system has no more threads
                break
            self._count += 1
        return self._count > 0

    @staticmethod
    def _work(queue: SimpleQueue[Task[Any]]) -> Callable[[], None]:
        def work() -> None:
            while True:
                # Not kept in a name until the next one comes: the task holds its result.
                queue.get().do()

        return work


def _cores() -> int:
    return len(os.sched_getaffinity(0))


#: What keeps cores busy: more than four are faster than any disk.
BYTES = Workers("lattice-bytes", max(2, min(4, _cores())))
#: What mostly waits for the disk, so that bytes are prepared meanwhile.
DISK = Workers("lattice-disk", 2)
