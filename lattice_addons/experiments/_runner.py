"""A runner hands settings out, and counts what comes back when it is written down."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, NamedTuple

from lattice_addons.errors import RunFailedError

from ._log_file import log_key
from ._objective import value_of
from ._pool import Task
from ._worker import record_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._choice import Choice
    from ._display import Display
    from ._experiment import Experiment
    from ._journal import Journal
    from ._lock import RunnerLock
    from ._place import Place
    from ._pool import Outcome, Pool
    from ._record import Record
    from ._results import Results
    from ._samplers import Sampler
    from ._summary import Summary

__all__ = ["Parts", "Runner"]

_log = logging.getLogger("lattice_addons.experiments")
_LOOK = 0.25  # seconds after which the runner looks up while nothing ends


class Parts(NamedTuple):
    """What a runner works with."""

    place: Place
    lock: RunnerLock
    journal: Journal
    results: Results
    sampler: Sampler
    choice: Choice
    display: Display
    #: The result that the sampler looks at, if it looks at any.
    objective: str | None
    #: Whether it wants to know what came of one setting before it gives the next.
    learns: bool


class _Flight(NamedTuple):
    setting: Experiment
    began: float
    attempt: int


class Runner:
    """One pass over the settings of a sampler."""

    def __init__(self, parts: Parts, summary: Summary, *, limit: int | None, fail_fast: bool) -> None:
        self._parts = parts
        self._summary = summary
        self._left = limit
        self._fail_fast = fail_fast
        self._flights: dict[str, _Flight] = {}
        self._again: set[str] = set()
        self._exhausted = False

    def run(self, pool: Pool) -> None:
        """Run everything that is to be run."""
        pool.started = self._started
        while True:
            self._fill(pool)
            if not self._flights:
                return
            outcomes = pool.finished(_LOOK)
            self._parts.lock.beat()
            self._take(pool, outcomes)

    def judge(self, identity: str, step: float, value: float) -> bool:
        """Ask the sampler whether a setting that reports a value should be given up; from any thread."""
        flight = self._flights.get(identity)
        return flight is not None and self._parts.sampler.report(flight.setting, step, value)

    def next_setting(self) -> Experiment | None:
        """Give the next setting that is to be run; None when there is none left."""
        while not self._exhausted and self._left != 0:
            setting = self._parts.sampler.ask()
            if setting is None:
                self._exhausted = True
                return None
            if setting.identity in self._flights:
                continue  # given twice: by a sampler, or because of texts that are the same once they are filled in
            judged = self._parts.choice.judge(setting)
            if judged == "run":
                if self._left is not None:
                    self._left -= 1
                return setting
            if judged == "done":
                self._summary.skipped += 1
            else:
                self._summary.waiting += 1
        return None

    def _fill(self, pool: Pool) -> None:
        flying = len(self._flights)
        room = max(pool.size - flying, 0) if self._parts.learns else pool.room(flying)
        # To pass over much that is done takes a while, in which what ends should be looked at.
        until = time.monotonic() + _LOOK
        for _ in range(room):
            setting = self.next_setting()
            if setting is None:
                return
            self._submit(pool, setting, self._parts.choice.attempt(setting.identity))
            if time.monotonic() > until:
                return

    def _submit(self, pool: Pool, setting: Experiment, attempt: int) -> None:
        identity = setting.identity
        self._flights[identity] = _Flight(setting, time.time(), attempt)
        about = setting.name, setting.as_dict(), setting.searched, attempt, setting.file_name
        pool.submit(Task(identity, *about, self._parts.choice.round))

    def _started(self, task: Task, worker: str) -> None:
        flight = self._flights.get(task.identity)
        if flight is not None:
            self._flights[task.identity] = flight._replace(began=time.time())
        self._parts.display.started(task.identity, task.name, worker)

    def _take(self, pool: Pool, outcomes: Sequence[Outcome]) -> None:
        """Count what has ended, once it is durable."""
        records = [self._record(each) for each in outcomes]
        pairs = list(zip(outcomes, records, strict=True))
        self._parts.journal.take((record, outcome.part) for outcome, record in pairs)
        failed = None
        for outcome, record in pairs:
            self._parts.display.ended(record)
            if outcome.lost and record.identity not in self._again:
                self._once_more(pool, outcome)
                continue
            self._count(outcome, record)
            if record.status in ("failed", "killed"):
                failed = record
        self._parts.results.take(records)
        if self._fail_fast and failed is not None:
            raise _failed(self._summary.experiment, failed, self._parts.place)

    def _record(self, outcome: Outcome) -> Record:
        if outcome.record is not None:
            return outcome.record
        task = outcome.task
        flight = self._flights[task.identity]
        # What it had printed is there, if it ran where this is read.
        log = log_key(task.file_name, task.attempt)
        return record_of(
            task,
            "killed",
            started=flight.began,
            error=f"its worker {outcome.lost}",
            host=outcome.host,
            pid=outcome.pid,
            log=log if self._parts.place.take_log(log) else "",
        )

    def _once_more(self, pool: Pool, outcome: Outcome) -> None:
        task = outcome.task
        self._again.add(task.identity)
        why = f"its worker {outcome.lost}" if outcome.record is None else outcome.lost
        _log.info("%s is run once more: %s", task.name, why)
        self._submit(pool, self._flights[task.identity].setting, task.attempt + 1)

    def _count(self, outcome: Outcome, record: Record) -> None:
        parts = self._parts
        setting = self._flights.pop(record.identity).setting
        self._summary.count(record)
        if record.status in ("failed", "killed"):
            self._summary.failures.append(record)
        elif outcome.stateful:
            parts.place.forget_state(record.identity)
        if parts.objective is not None:
            parts.sampler.tell(setting, value_of(record, parts.objective), record.status)


def _failed(experiment: str, record: Record, place: Place) -> RunFailedError:
    last = record.error.strip().splitlines()[-1] if record.error.strip() else record.status
    log = f"; its log is {place.url}/{record.log}" if record.log else ""
    message = f"{experiment}: {record.name} {record.status}: {last}{log}. The other settings were stopped"
    return RunFailedError(message, experiment=experiment, failed=(record.name,))
