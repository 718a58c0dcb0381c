"""Every setting that is not done is run, and what was done before stays done."""

from __future__ import annotations

import dataclasses
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from lattice_addons._host import POSIX
from lattice_addons._only_on import only_where
from lattice_addons.lifecycle import Owner
from lattice_addons.storage import ulid

from ._course import Course
from ._display import display_for
from ._earlier import choice_of, prepared
from ._inside import Inside, nested_classes
from ._objective import tell_earlier
from ._order import order, shows_its_options
from ._place import Place
from ._places import PLAN
from ._pools import pool_for
from ._provenance import NOTE, provenance
from ._reports import ReportServer
from ._results import Results
from ._runner import Parts, Runner
from ._shared import sharing
from ._space import Space
from ._stopping import stoppable, why_stopped
from ._summary import Plan, Summary

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._choice import Choice
    from ._experiment import Experiment
    from ._lock import RunnerLock
    from ._order import Options, Order
    from ._pool import Pool
    from ._samplers import Sampler

__all__ = ["Summary", "run_all"]

_COUNTED = 20_000  # settings up to which it is counted out how many of them are done


@shows_its_options
def run_all(experiment: Experiment, num_proc: int = 1, **options: Unpack[Options]) -> Summary:
    """Run the settings of an experiment that are not done yet, and give what came of them.

    Each is recorded durably before it counts as done, so that this can be stopped at any instant, by anything, and
    carries on when it is called again. A setting that fails does not stop the others.

    Args:
        experiment: What to run.
        num_proc: How many processes; with 0 the settings run in this one, for a debugger.
        resume: Leave out what is recorded as done, pruned or failed; without it, everything is run again.
        rerun: What to run again all the same: ``failed``, ``done``, a setting's name (``lr=*``) or identity.
        clean: Remove all records, results, logs and states of this experiment first.
        dry_run: Run nothing, and give the names of what would be run.
        limit: Run so many settings at most.
        fail_fast: Stop at the first setting that fails.
        sampler: ``grid``, ``random``, an optimiser of Optuna's, such as ``tpe``, or a `Sampler` of your own.
        samples: How many settings one of Optuna's or ``random`` draws, or at most how many of a grid are looked at.
        seed: What it draws them with.
        objective: The result that an optimiser looks at, instead of the class's ``objective``.
        direction: ``minimize`` or ``maximize``, instead of the class's.
        executor: A `concurrent.futures.Executor` to run on.
        dask: A Dask cluster, client, or the address of a scheduler, to run on.
        root: A folder or URL for journal, logs and results, instead of the one beside the class's source.
        display: Who shows how it goes; a line now and then, or on a terminal an overview, where nobody is given.

    Raises:
        ExperimentBusyError: another program runs it.
        ExperimentChangedError: what is recorded is of a version of the class that had other fields.
        RunFailedError: a setting failed, with ``fail_fast``.
        SettingError: an argument or a field says what cannot be.
        StoreError: the journal cannot be written; what it has stays.
        UnsupportedError: this system lacks what it needs; see the page on platforms.
    """
    only_where(POSIX, "run_all", "locks that several processes share, and no forks")
    return _performed(order(experiment, num_proc, options))


def _performed(asked: Order) -> Summary:
    """Do what was asked for."""
    sampler = asked.make_sampler()
    place = Place(asked.cls, asked.root)
    total = _total(asked.experiment) if asked.walks_grid else asked.samples
    if asked.dry_run:
        return _rehearsal(place, asked, sampler)
    with stoppable():
        return _Performance(place, asked, sampler, total).run()


class _Performance:
    """One start of a runner, from taking the place to giving it back."""

    def __init__(self, place: Place, asked: Order, sampler: Sampler, total: int | None) -> None:
        self._place, self._order, self._sampler, self._total = place, asked, sampler, total
        self._journal = place.journal()
        self._summary = Summary(place.experiment, place.url)
        self._display = asked.display or display_for(sys.stderr, plain=not asked.num_proc)
        self._began = time.monotonic()

    def run(self) -> Summary:
        """Run what is to be run."""
        place, asked = self._place, self._order
        with ExitStack() as stack:
            lock = stack.enter_context(place.lock())
            stack.callback(self._journal.close)
            choice = prepared(place, self._journal, asked)
            self._journal.note(NOTE, provenance(asked.cls, asked.seed, place))
            results = Results(place)
            # After the workers have gone: a table is removed that nobody names, and one of them may be about to.
            stack.callback(results.close)
            runner = self._runner(lock, results, choice)
            pool = self._pool(runner, stack)
            plan = _plan(place, asked, choice, self._total, workers=pool.size)
            self._journal.note(PLAN, _noted(plan, asked))
            self._display.begin(plan)
            stack.push(self._end)
            if plan.done and plan.left:
                # To pass over what is done takes a while.
                pool.warm(plan.left)
            with place.waiting():
                runner.run(pool)
            pool.close()
            self._journal.settle()
        return self._summary

    def _runner(self, lock: RunnerLock, results: Results, choice: Choice) -> Runner:
        asked, journal = self._order, self._journal
        if asked.learns and asked.goal is not None and not asked.clean and asked.resume:
            earlier = [each for each in journal.records().values() if each.round >= choice.round]
            tell_earlier(self._sampler, asked.cls, earlier, asked.goal)
        parts = Parts(
            self._place,
            lock,
            journal,
            results,
            self._sampler,
            choice,
            self._display,
            asked.goal,
            asked.learns,
        )
        return Runner(parts, self._summary, limit=asked.limit, fail_fast=asked.fail_fast)

    def _pool(self, runner: Runner, stack: ExitStack) -> Pool:
        asked = self._order
        shelf = stack.enter_context(sharing())
        about = ulid(), asked.cls, self._place, asked.num_proc, Owner.current()
        course = Course(*about, shelf=shelf, nested=tuple(nested_classes(asked.experiment)))
        if asked.learns:
            server = ReportServer(course.run, runner.judge, far=asked.dask is not None)
            stack.callback(server.close)
            course = dataclasses.replace(course, reports=server.address)
        pool = pool_for(course, self._journal, executor=asked.executor, dask=asked.dask)
        return stack.enter_context(pool)

    def _end(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self._summary.seconds = time.monotonic() - self._began
        self._summary.stopped = why_stopped(error)
        self._display.end(self._summary)


def _rehearsal(place: Place, asked: Order, sampler: Sampler) -> Summary:
    """Say what would be run; nothing is written."""
    journal = None if asked.clean or not place.exists() else place.journal()
    choice, _ = choice_of(place, journal, asked)
    summary = Summary(place.experiment, place.url)
    while len(summary.planned) != asked.limit:
        setting = sampler.ask()
        if setting is None:
            break
        judged = choice.judge(setting)
        if judged == "run":
            summary.planned.append(setting.name)
        elif judged == "done":
            summary.skipped += 1
        else:
            summary.waiting += 1
    return summary


def _total(experiment: Experiment) -> int | None:
    """Count the settings of a grid, unless they would have to be walked for it; an empty one is refused here."""
    inside = Inside.of(experiment)
    if not inside.setting:
        axes = Space(type(experiment), inside.values(experiment)).axes
        if any(axis.conditional for axis in axes):
            return None
    return len(experiment)


def _noted(plan: Plan, asked: Order) -> dict[str, object]:
    """Give what who looks at the place without the class may want to know."""
    return {
        "at": time.time(),
        "total": plan.total,
        "workers": plan.workers,
        "objective": asked.goal,
        "direction": asked.direction or asked.cls.direction,
    }


def _plan(place: Place, asked: Order, choice: Choice, total: int | None, *, workers: int) -> Plan:
    """Give what the display is told: exactly where that is soon counted, else as the journal has it."""
    if not asked.learns and choice.known and asked.resume and total is not None and total <= _COUNTED:
        settings = asked.experiment if asked.walks_grid else iter(asked.make_sampler().ask, None)
        judged = [choice.judge(setting) for setting in settings]
        done, failed = judged.count("done"), judged.count("waiting")
    else:
        statuses = list(choice.statuses().values())
        done, failed = statuses.count("done") + statuses.count("pruned"), statuses.count("failed")
    done = done if total is None else min(done, total)
    return Plan(place.experiment, total, done, failed, workers, place.url, asked.experiment.searched)
