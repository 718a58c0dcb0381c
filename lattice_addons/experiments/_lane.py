"""One worker process after another, with one batch at a time; what it had done when it died is in its journal."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from lattice_addons.errors import ExecutorError, StoreError
from lattice_addons.storage import ulid

from ._answers import Answers, alive
from ._batches import SECONDS
from ._deaths import how_it_died, out_of_memory_kills
from ._needs import needed
from ._orphan import end_with_runner
from ._part import lines_of, told_by
from ._pool import Outcome
from ._travelling import travelling
from ._worker import get_ready, outcome_of, run_batch

if TYPE_CHECKING:
    from concurrent.futures import Future

    from ._course import Course
    from ._journal import Journal
    from ._pool import Task

__all__ = ["Lane"]

_GRACE = 25.0  # seconds that runs get to save their state when they are told to end


class Ended(NamedTuple):
    """What became of a batch: outcomes, tasks that were not begun, and how the worker died, if it did."""

    outcomes: list[Outcome]
    rest: list[Task]
    died: str = ""


class Lane:
    """A worker, by its rank; a new process takes the place of one that died."""

    def __init__(self, rank: int, packed_course: bytes, course: Course, journal: Journal) -> None:
        self.rank = rank
        self.began = 0.0
        self.future: Future[Any] | None = None
        self._packed = packed_course
        self._course = course
        self._journal = journal
        self._executor: Any = None
        self._processes: list[Any] = []
        self._answers: Answers | None = None
        self._part = ""
        self._start = 0
        self._tasks: list[Task] = []
        self._killed = 0
        self._until = 0.0

    def warm(self) -> None:
        """Start the worker before there is something for it to do."""
        self._begin()
        self._executor.submit(get_ready, self._packed)
        self._keep_processes()

    def send(self, tasks: list[Task]) -> list[Outcome]:
        """Let the worker run tasks; give outcomes for those that cannot travel to it."""
        tasks, whole, refused = travelling(tasks)
        if not tasks:
            return refused
        self._tasks = tasks
        try:
            self._submit(whole)
        except needed("loky.process_executor").BrokenProcessPool:
            # The worker was killed while it had nothing to do.
            self.close()
            self._submit(whole)
        return refused

    def _submit(self, whole: bytes) -> None:
        if self._executor is None:
            self._begin()
        self._start = os.path.getsize(self._part) if os.path.exists(self._part) else 0
        self._killed = out_of_memory_kills()
        self.began = time.monotonic()
        self.future = self._executor.submit(
            run_batch, self._packed, whole, rank=self.rank, part=self._part, seconds=2 * SECONDS
        )
        self._keep_processes()

    def _keep_processes(self) -> None:
        # The executor forgets a process that has died, and with it how.
        self._processes = list(self._executor._processes.values())  # noqa: SLF001 - it has no public list

    def done(self) -> bool:
        """Say whether the batch has ended, be it with the worker."""
        assert self.future is not None  # noqa: S101 - asked for only then; this tells the type checker
        assert self._answers is not None  # noqa: S101 - as above
        if not self.future.done():
            self._answers.look(self._processes)
        return self.future.done()

    def ended(self) -> Ended:
        """Give what became of the batch, when its future is done."""
        future, self.future = self.future, None
        assert future is not None  # noqa: S101 - asked for only then; this tells the type checker
        error = future.exception()
        if error is None:
            return self._went_well(future.result())
        if not self._is_death(error):
            raise self._refusal(error)
        return self._died()

    def _went_well(self, result: Any) -> Ended:
        outcomes = [outcome_of(self._tasks[ran.number], ran, self._part) for ran in result]
        return Ended(outcomes, self._tasks[len(outcomes) :])

    def _died(self) -> Ended:
        """Tell what a dead worker had done, with what it died, and what it had not begun."""
        told = list(told_by(lines_of(self._part, self._start))) if os.path.exists(self._part) else []
        records = {record.identity: record for kind, record in told if kind == "record"}
        begun = {each["identity"] for kind, each in told if kind == "begun"}
        how = how_it_died(self._processes, out_of_memory=out_of_memory_kills() > self._killed)
        pid = self._processes[0].pid if self._processes else 0
        outcomes, rest = [], []
        for task in self._tasks:
            record = records.get(task.identity)
            if record is not None:
                outcomes.append(Outcome(task, record, "", self._part, record.host, record.pid, stateful=True))
            elif task.identity in begun:
                outcomes.append(Outcome(task, None, how, pid=pid))
            else:
                rest.append(task)
        self.leave(kill=True)
        self.close()
        return Ended(outcomes, rest, how)

    def _refusal(self, error: BaseException) -> Exception:
        if isinstance(error, StoreError):
            return error
        name = self._course.place.experiment
        cause = getattr(error, "__cause__", None)
        details = f"\n{cause}" if cause is not None else ""
        message = f"a worker cannot run {name}: {type(error).__name__}: {error}{details}"
        return ExecutorError(f"{message}\nnum_proc=0 runs in this process", experiment=name)

    def _begin(self) -> None:
        # A part has one writer: a process that takes the place of another has one of its own.
        self._part = self._journal.part_path(ulid())
        self._executor = needed("loky").ProcessPoolExecutor(
            max_workers=1, timeout=None, initializer=_begin_worker, initargs=(os.getpid(),)
        )
        self._answers = Answers(self._executor)

    def leave(self, *, kill: bool) -> None:
        """Let the worker go: when it is done, or now."""
        if self._executor is None:
            return
        self._until = time.monotonic() + _GRACE
        if kill:
            for process in self._processes:
                with suppress(OSError, ValueError):
                    if process.is_alive():
                        os.kill(process.pid, signal.SIGTERM)
        else:
            self._executor.shutdown(wait=False)

    def close(self, *, wait: bool = True) -> None:
        """Wait for the end of a worker that was let go; not for ever, and not at all where nobody wants to wait."""
        if self._executor is None:
            return
        while wait and alive(self._processes) and time.monotonic() < self._until:
            time.sleep(0.005)
        if self._answers is not None and not alive(self._processes):
            self._answers.hang_up()
        self._executor.shutdown(wait=True, kill_workers=True)
        self._executor, self._answers, self._processes, self.future = None, None, [], None

    def _is_death(self, error: BaseException) -> bool:
        of = needed("loky.process_executor")
        hung_up = self._answers is not None and self._answers.hung_up
        return hung_up or isinstance(error, (of.TerminatedWorkerError, of.ShutdownExecutorError))


def _begin_worker(runner: int) -> None:
    # Ctrl-C at a terminal goes to all of its processes; what becomes of the workers is for the runner to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_runner(runner)
    for stream in (sys.stdout, sys.stderr):
        # What a run has printed is in its log, too, when it is killed.
        with suppress(AttributeError, ValueError):
            stream.reconfigure(line_buffering=True)  # type: ignore[union-attr] # where it is a text stream
