"""A few threads do what needs no interpreter: copying, digesting, compressing, reading and writing."""

from __future__ import annotations

import _thread
import os
import sys
from _queue import SimpleQueue
from collections import deque
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from lattice_addons.lifecycle import end_thread, look_after, start_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from threading import Thread

__all__ = ["BYTES", "DISK", "Task", "Workers"]

Result = TypeVar("Result")


class Task(Generic[Result]):
    """A job that was handed over, whether it is ``done``, and what came of it."""

    __slots__ = ("_done", "_error", "_job", "_result", "done")

    def __init__(self, job: Callable[[], Result]) -> None:
        self._job: Callable[[], Result] | None = job
        self._result: Result
        self._error: BaseException | None = None
        self.done = False
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
            self.done = True
            self._done.release()

    def wait(self) -> None:
        """Wait until it is done."""
        # Ctrl-C may come between the two steps: then the lock stays taken, and is not asked for again.
        if not self.done:
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

    Where no thread can be started (at exit in Python 3.12) jobs are done in the thread that has them.
    """

    needed_for_saving = True

    def __init__(self, name: str, most: int) -> None:
        self._name = name
        self._most = most
        self._queue: SimpleQueue[Task[Any] | None] = SimpleQueue()
        self._threads: list[Thread] = []
        self._pid = 0

    def hand(self, job: Callable[[], Result]) -> Task[Result]:
        """Have a job done soon, in the order in which jobs are handed over."""
        task = Task(job)
        if self._manned():
            self._queue.put(task)
            if not self._threads:
                self._manned()  # another thread forked meanwhile, and had them stopped
        else:
            task.do()
        return task

    def run(self, jobs: Iterable[Callable[[], Result]], ahead: int = 8) -> Generator[Result, None, None]:
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

    def start(self) -> None:
        """Go on after a fork, if another thread has handed something over meanwhile."""
        if self._pid == os.getpid() and not self._queue.empty():
            self._manned()

    def stop(self, timeout: float) -> bool:
        """End the threads, when they have done what they were handed; say whether they ended in time."""
        threads, self._threads = self._threads, []
        for _ in threads:
            self._queue.put(None)
        for thread in threads:
            end_thread(thread, timeout)
        return not any(thread.is_alive() for thread in threads)

    def _manned(self) -> bool:
        """See that the threads are there; a forked child has none, and none can be waited for there."""
        if self._pid != os.getpid():
            self._queue, self._threads, self._pid = SimpleQueue(), [], os.getpid()
            look_after(self)
        while len(self._threads) < self._most:
            try:
                thread = start_thread(self._work(self._queue), f"{self._name}-{len(self._threads)}")
            except RuntimeError:  # the interpreter is at its end, or the system has no more threads
                break
            self._threads.append(thread)
        return bool(self._threads)

    @staticmethod
    def _work(queue: SimpleQueue[Task[Any] | None]) -> Callable[[], None]:
        def work() -> None:
            while (task := queue.get()) is not None:
                task.do()
                # Not kept until the next one comes: it holds its result.
                del task

        return work


def _cores() -> int:
    if sys.platform == "linux" and hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


#: What keeps cores busy: more than four are faster than any disk.
BYTES = Workers("lattice-bytes", max(2, min(4, _cores())))
#: What mostly waits for the disk, so that bytes are prepared meanwhile.
DISK = Workers("lattice-disk", 2)
