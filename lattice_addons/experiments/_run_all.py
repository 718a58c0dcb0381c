"""Every setting that is not done is run, and what was done before stays done."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from lattice_addons.errors import ExperimentChangedError, SettingError
from lattice_addons.lifecycle import Owner
from lattice_addons.storage import ulid

from ._choice import Choice
from ._course import Course
from ._display import display_for
from ._fields import fields_of
from ._inside import Inside, expected
from ._journal import Journal
from ._objective import tell_earlier
from ._place import Place
from ._pools import check_processes, pool_for
from ._provenance import NOTE, provenance
from ._reports import ReportServer
from ._results import Results
from ._runner import Parts, Runner
from ._samplers import sampler_for
from ._shared import sharing
from ._space import Space
from ._summary import Plan, Summary

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ._display import Display
    from ._experiment import Experiment
    from ._journal import Known
    from ._samplers import Sampler

__all__ = ["Summary", "run_all"]

_FIELDS = "fields"  # the note of a runner of which fields the class had
_COUNTED = 20_000  # settings up to which it is counted out how many of them are done
_BLIND = ("grid", "random")  # samplers that do not look at what was found


def run_all(  # noqa: PLR0913 - all but the first two by name
    experiment: Experiment,
    num_proc: int = 1,
    *,
    resume: bool = True,
    rerun: str | tuple[str, ...] = (),
    clean: bool = False,
    dry_run: bool = False,
    limit: int | None = None,
    fail_fast: bool = False,
    sampler: Any = "grid",
    samples: int | None = None,
    seed: int | None = None,
    objective: str | None = None,
    direction: str | None = None,
    executor: Any = None,
    dask: Any = None,
    root: str | None = None,
    display: Display | None = None,
) -> Summary:
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
        sampler: ``grid``, ``random``, or an optimiser of Optuna's, such as ``tpe``.
        samples: How many settings a sampler other than ``grid`` draws.
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
    """
    cls = type(experiment)
    name = cls.__qualname__
    check_processes(name, num_proc)
    if executor is not None and dask is not None:
        message = f"{name}: it can run on an executor or on Dask, not on both: leave one of them out"
        raise SettingError(message, experiment=name, field="executor")
    asked = (rerun,) if isinstance(rerun, str) else tuple(rerun)
    objective = objective or cls.objective
    found = sampler_for(sampler, experiment, samples, seed, direction, objective)
    place = Place(cls, root)
    total = samples if sampler != "grid" else _total(experiment)
    if dry_run:
        return _rehearsal(place, found, clean=clean, resume=resume, rerun=asked, limit=limit)
    summary = Summary(place.experiment, place.url)
    began = time.monotonic()
    with ExitStack() as stack:
        lock = stack.enter_context(place.lock())
        journal, choice = _prepared(place, cls, clean=clean, resume=resume, rerun=asked)
        stack.callback(journal.close)
        journal.note(NOTE, provenance(cls, seed, place))
        results = Results(place)
        shown = display or display_for(sys.stderr, plain=not num_proc)
        learns = sampler not in _BLIND
        if learns and objective is not None and not clean and resume:
            tell_earlier(found, cls, list(journal.records().values()), objective)
        parts = Parts(place, lock, journal, results, found, choice, shown, objective, learns)
        runner = Runner(parts, summary, limit=limit, fail_fast=fail_fast)
        course = Course(ulid(), cls, place, num_proc, Owner.current(), shelf=stack.enter_context(sharing()))
        if learns:
            course = _with_reports(course, runner, stack, far=dask is not None)
        pool = stack.enter_context(pool_for(course, journal, executor=executor, dask=dask))
        shown.begin(_plan(place, experiment, choice, total, workers=pool.size, grid=sampler == "grid"))
        stack.callback(_end, shown, summary, began)
        stack.callback(results.close)
        runner.run(pool)
        pool.close()
        journal.settle()
    return summary


def _end(display: Display, summary: Summary, began: float) -> None:
    summary.seconds = time.monotonic() - began
    display.end(summary)


def _with_reports(course: Course, runner: Runner, stack: ExitStack, *, far: bool) -> Course:
    import dataclasses

    server = ReportServer(course.run, runner.judge, far=far)
    stack.callback(server.close)
    return dataclasses.replace(course, reports=server.address)


def _prepared(
    place: Place, cls: type, *, clean: bool, resume: bool, rerun: tuple[str, ...]
) -> tuple[Journal, Choice]:
    """Look at what was run before, with the lock held."""
    if clean:
        place.clear()
    journal = place.journal()
    journal.tidy()
    known = journal.index()
    choice = Choice(known, resume, rerun)
    choice.check(place.experiment)
    fields = list(_field_names(cls))
    _check_fields(place, journal, fields, known, resume=resume)
    if not resume:
        # Everything begins anew, also in its middle.
        place.clear("states")
    journal.note(_FIELDS, {"at": time.time(), "fields": fields})
    _forget_finished(place, known)
    return journal, choice


def _field_names(cls: type, around: tuple[type, ...] = ()) -> Iterator[str]:
    """Give the names of a class's fields; those of the experiments nested in it follow theirs, with a dot."""
    for name in fields_of(cls):
        yield name
        nested = expected(cls, name)
        if nested is not None and nested not in (cls, *around):
            yield from (f"{name}.{inner}" for inner in _field_names(nested, (cls, *around)))


def _check_fields(
    place: Place, journal: Journal, fields: list[str], known: Mapping[str, Known], *, resume: bool
) -> None:
    notes = journal.notes(_FIELDS)
    before = set(notes[-1]["fields"]) if notes else set(fields)
    added, removed = sorted(set(fields) - before), sorted(before - set(fields))
    if not known or not resume or not (added or removed):
        return
    told = [f"{word} {', '.join(names)}" for word, names in (("without", added), ("with", removed)) if names]
    message = (
        f"{place.experiment}: the {len(known):,} settings recorded in {place.url} are of another version of the class, "
        f"{' and '.join(told)}, so all would be run anew: resume=False does that and keeps the old results, "
        "clean=True removes them first"
    )
    raise ExperimentChangedError(
        message, experiment=place.experiment, added=tuple(added), removed=tuple(removed)
    )


def _forget_finished(place: Place, known: Mapping[str, Known]) -> None:
    """Remove states of settings that are done: a runner was killed before it could."""
    for identity in place.store.folders("states"):
        if identity in known and known[identity].status in ("done", "pruned"):
            place.forget_state(identity)


def _rehearsal(  # noqa: PLR0913 - as run_all, of which this is a part
    place: Place,
    sampler: Sampler,
    *,
    clean: bool,
    resume: bool,
    rerun: tuple[str, ...],
    limit: int | None,
) -> Summary:
    """Say what would be run; nothing is written."""
    known = {} if clean or not place.exists() else Journal(place).index()
    choice = Choice(known, resume, rerun)
    choice.check(place.experiment)
    summary = Summary(place.experiment, place.url)
    while len(summary.planned) != limit:
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


def _plan(  # noqa: PLR0913 - most by name
    place: Place, experiment: Experiment, choice: Choice, total: int | None, *, workers: int, grid: bool
) -> Plan:
    """Give what the display is told: of a small grid exactly, of others as the journal has it."""
    if grid and choice.known and choice.resume and total is not None and total <= _COUNTED:
        judged = [choice.judge(setting) for setting in experiment]
        done, failed = judged.count("done"), judged.count("waiting")
    else:
        statuses = [each.status for each in choice.known.values()] if choice.resume else []
        done, failed = statuses.count("done") + statuses.count("pruned"), statuses.count("failed")
    done = done if total is None else min(done, total)
    return Plan(place.experiment, total, done, failed, workers, place.url, experiment.searched)
