"""Every setting that is not done is run, whatever became of the others."""

from __future__ import annotations

import dataclasses
import inspect
import os
from typing import TYPE_CHECKING, Any

import pytest

from lattice_addons.errors import (
    ExperimentChangedError,
    RunFailedError,
    SettingError,
    StoreError,
)
from lattice_addons.experiments import Experiment, Place, Plan, Record, Summary, run_all, search
from lattice_addons.experiments._display import Nothing
from lattice_addons.experiments._order import Options, Order
from tests.program import Program

if TYPE_CHECKING:
    from pathlib import Path

ran: list[int] = []


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    ran.clear()


class Grid(Experiment):
    """Three settings, of which one may be made to fail."""

    i: int = search(1, 2, 3)

    def run(self) -> dict[str, int]:
        """Take note that it was run."""
        ran.append(self.i)
        if os.environ.get("FAIL") == str(self.i):
            raise ValueError(f"no {self.i}")
        return {"square": self.i**2}


class Told(Nothing):
    """Takes note of what a display is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def started(self, identity: str, name: str, worker: str) -> None:
        """Take note of a start."""
        assert len(identity) == 16
        self.told.append(f"started {name} {worker}".strip())

    def ended(self, record: Record) -> None:
        """Take note of an end."""
        self.told.append(f"{record.status} {record.name}")

    def end(self, summary: Summary) -> None:
        """Take note of the last of all."""
        self.told.append(str(summary.ran))


def run(root: Path, experiment: Experiment | None = None, num_proc: int = 0, **options: Any) -> Summary:
    """Run the settings, in this process where nothing else is asked for."""
    options.setdefault("display", Nothing())
    return (experiment or Grid()).run_all(num_proc, root=str(root), **options)


def test_what_is_done_is_not_run_again(tmp_path: Path) -> None:
    """Nor when points are added before or between those that there were."""
    summary = run(tmp_path)
    assert (summary.done, summary.skipped, ran) == (3, 0, [1, 2, 3])
    again = run(tmp_path, Grid(i=search(0, 1, 7, 2, 3)))
    assert (again.done, again.skipped, ran) == (2, 3, [1, 2, 3, 0, 7])
    records = Place(Grid, tmp_path).journal().records().values()
    assert [(each.name, each.rows, each.attempt) for each in records] == [
        (f"i={i}", [{"square": i * i}], 1) for i in ran
    ]


def test_a_failure_stops_nobody_and_is_tried_again_on_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its record has the traceback; `rerun` takes a status, a name, a pattern, or an identity."""
    monkeypatch.setenv("FAIL", "2")
    summary = run(tmp_path)
    assert (summary.done, summary.failed) == (2, 1)
    (failure,) = summary.failures
    assert "ValueError: no 2" in failure.error
    assert run(tmp_path).waiting == 1
    assert ran == [1, 2, 3]
    for asked in ("failed", "i=2", "i=[2-9]*", failure.identity[:8]):
        ran.clear()
        assert run(tmp_path, rerun=asked).failed == 1
        assert 2 in ran
    monkeypatch.delenv("FAIL")
    ran.clear()
    assert run(tmp_path, rerun=("failed", "i=1")).done == 2
    assert ran == [1, 2]
    assert run(tmp_path).skipped == 3


def test_nothing_of_that_name_was_run(tmp_path: Path) -> None:
    """The error has names that are near."""
    run(tmp_path)
    with pytest.raises(SettingError, match=r"'i=22' was run before; near it: i=2"):
        run(tmp_path, rerun="i=22")


def test_all_is_run_anew(tmp_path: Path) -> None:
    """With the old records kept until there are new ones, or removed first."""
    run(tmp_path)
    assert run(tmp_path, resume=False).done == 3
    assert {each.attempt for each in Place(Grid, tmp_path).journal().records().values()} == {2}
    assert run(tmp_path, clean=True, limit=1).done == 1
    assert len(Place(Grid, tmp_path).journal().records()) == 1


def test_who_carries_on_with_a_run_anew_runs_its_rest(tmp_path: Path) -> None:
    """What was done before it was begun anew is not done; what it has done itself is, and keeps its state so long."""
    run(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, resume=False, display=Breaks())
    assert ran == [1, 2, 3, 1]
    assert run(tmp_path, dry_run=True).planned == ["i=2", "i=3"]
    states = tmp_path / Place(Grid, tmp_path).url / "states"
    for identity in (setting.identity for setting in Grid()):
        (states / identity).mkdir(parents=True)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, display=Breaks())
    assert ran == [1, 2, 3, 1, 2]
    assert {each.name for each in states.iterdir()} >= {setting.identity for setting in Grid(i=3)}
    summary = run(tmp_path)
    assert (summary.done, summary.skipped, ran) == (1, 2, [1, 2, 3, 1, 2, 3])
    assert run(tmp_path).skipped == 3


class Breaks(Nothing):
    """Somebody presses Ctrl-C after the first one."""

    def ended(self, record: Record) -> None:  # noqa: ARG002 - a display's
        """Press it."""
        raise KeyboardInterrupt


def test_options_are_those_that_there_are(tmp_path: Path) -> None:
    """Another one is refused, with one that is near; `help` has them."""
    with pytest.raises(SettingError, match=r"no option 'resmue'; near it: resume"):
        run(tmp_path, resmue=False)
    assert {"experiment", "num_proc", "resume", "display"} <= set(inspect.signature(run_all).parameters)
    assert {"self", "num_proc", "resume", "display"} <= set(inspect.signature(Grid.run_all).parameters)


def test_type_checkers_see_the_options_that_there_are() -> None:
    """All of them, with their types."""
    fields = {each.name: each.type for each in dataclasses.fields(Order)}
    told = {name: hint.__forward_arg__ for name, hint in Options.__annotations__.items()}
    assert {"experiment": "Experiment", "num_proc": "int", **told} == fields


def test_a_damaged_line_is_told_of_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """However often the journal is read; its setting is run again."""
    run(tmp_path)
    for path in (tmp_path / Place(Grid, tmp_path).url / "journal").iterdir():
        path.write_bytes(path.read_bytes().replace(b'"square":4', b'"square":5'))
    assert run(tmp_path).done == 1
    assert sum("damaged" in message for message in caplog.messages) == 1


def test_a_limit_counts_what_is_run(tmp_path: Path) -> None:
    """Not what is left out."""
    assert [run(tmp_path, limit=2).done for _ in range(3)] == [2, 1, 0]


def test_a_dry_run_leaves_no_trace(tmp_path: Path) -> None:
    """It gives the names of what would be run."""
    assert run(tmp_path / "new", dry_run=True).planned == ["i=1", "i=2", "i=3"]
    assert not (tmp_path / "new").exists()
    run(tmp_path, limit=1)
    summary = run(tmp_path, dry_run=True, limit=1)
    assert (summary.planned, summary.skipped, ran) == (["i=2"], 1, [1])
    assert run(tmp_path, dry_run=True, clean=True).planned == ["i=1", "i=2", "i=3"]


def test_the_first_failure_ends_it_where_that_is_wished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What had ended is recorded, the failure too."""
    monkeypatch.setenv("FAIL", "2")
    with pytest.raises(RunFailedError, match="i=2 failed: ValueError: no 2") as caught:
        run(tmp_path, fail_fast=True)
    assert caught.value.failed == ("i=2",)
    assert ran == [1, 2]
    statuses = [each.status for each in Place(Grid, tmp_path).journal().records().values()]
    assert statuses == ["done", "failed"]


def test_a_display_is_told_in_order(tmp_path: Path) -> None:
    """Of a start before its end, and of the end at last."""
    display = Told()
    run(tmp_path, limit=2, display=display)
    assert display.told == ["started i=1", "done i=1", "started i=2", "done i=2", "2"]


class Plans(Nothing):
    """Takes note of what is to be done."""

    plan: Plan

    def begin(self, plan: Plan) -> None:
        """Take note of it."""
        self.plan = plan


def test_a_plan_counts_what_is_drawn(tmp_path: Path) -> None:
    """Not what was done besides: of others there may be any number in the journal."""
    run(tmp_path)
    many = Grid(i=search.integers(1, 10**9))
    for done in (0, 4):
        display = Plans()
        summary = run(tmp_path, many, sampler="random", samples=4, display=display)
        assert (display.plan.total, display.plan.done, summary.skipped) == (4, done, done)


def test_a_record_is_durable_before_it_is_counted(tmp_path: Path) -> None:
    """Whoever is told of it finds it in the journal."""
    place = Place(Grid, tmp_path)

    class Looks(Told):
        def ended(self, record: Record) -> None:
            super().ended(record)
            assert Place(Grid, tmp_path).journal().records()[record.identity] == record

    display = Looks()
    run(tmp_path, display=display)
    assert len(display.told) == 7
    assert place.exists()


def test_a_class_with_other_fields_is_refused_once(tmp_path: Path) -> None:
    """Who decides to go on is asked no more."""

    class Grid(Experiment):
        i: int = search(1, 2)

        def run(self) -> int:
            return self.i

    old = Grid

    class Grid(Experiment):  # type: ignore[no-redef] # the next version of it
        i: int = search(1, 2)
        lr: float = 0.5

        def run(self) -> int:
            return self.i

    run(tmp_path, old())
    with pytest.raises(ExperimentChangedError, match="another version of the class, without lr") as caught:
        run(tmp_path, Grid())
    assert (caught.value.added, caught.value.removed) == (("lr",), ())
    assert run(tmp_path, Grid(), resume=False, limit=1).done == 1
    assert run(tmp_path, Grid()).done == 1


def test_another_version_of_a_nested_class_is_refused(tmp_path: Path) -> None:
    """It would run everything anew as well."""

    class Optimizer(Experiment):
        lr: float = 0.5

    before = Optimizer

    class Optimizer(Experiment):  # type: ignore[no-redef] # the next version of it
        lr: float = 0.5
        momentum: float = 0.9

    def outer(inner: type[Experiment]) -> Experiment:
        class Outer(Experiment):
            optimizer = inner()

            def run(self) -> None:
                """Do nothing."""

        return Outer()

    run(tmp_path, outer(before))
    with pytest.raises(ExperimentChangedError, match=r"without optimizer\.momentum") as caught:
        run(tmp_path, outer(Optimizer))
    assert caught.value.added == ("optimizer.momentum",)


class Curve(Experiment):
    """Something to make small."""

    x: float = search.uniform(-1, 1)
    objective = "loss"

    def run(self) -> dict[str, float]:
        """Report on the way."""
        for step in range(3):
            self.report(step, abs(self.x) + 1 / (1 + step))
        return {"loss": self.x**2}


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_sampler_goes_on_where_it_was(tmp_path: Path, sampler: str) -> None:
    """A sweep of twenty that was stopped after eight has twenty settings in the end, and none of them twice."""
    pytest.importorskip("optuna", reason="the samplers other than grid and random are Optuna's")
    options: dict[str, Any] = {"sampler": sampler, "samples": 20, "seed": 3}
    assert run(tmp_path, Curve(), limit=8, **options).ran == 8
    assert run(tmp_path, Curve(), **options).ran == 12
    values = {each.values["x"] for each in Place(Curve, tmp_path).journal().records().values()}
    assert len(values) == 20


class Empty(Experiment):
    """An objective that no run returns."""

    x: float = search.uniform(-1, 1)
    objective = "loss"

    def run(self) -> dict[str, float]:
        """Return something else."""
        return {"lost": 1.0}


def test_an_objective_that_is_not_returned(tmp_path: Path) -> None:
    """Is one clear error, at once."""
    with pytest.raises(SettingError, match="returned no 'loss', which is the objective; it returned: lost"):
        run(tmp_path, Empty(), sampler="tpe", samples=3)


@pytest.mark.parametrize("wrong", [-1, 1.5, True, "2"])
def test_a_number_of_processes_that_cannot_be(tmp_path: Path, wrong: Any) -> None:
    """Is refused before anything is made."""
    with pytest.raises(SettingError, match="num_proc="):
        run(tmp_path / "new", num_proc=wrong)
    assert not (tmp_path / "new").exists()


def test_an_executor_and_dask_at_once(tmp_path: Path) -> None:
    """Cannot be."""
    with pytest.raises(SettingError, match="not on both"):
        run(tmp_path, executor=object(), dask="tcp://127.0.0.1:1")


def test_a_place_that_cannot_be_made(tmp_path: Path) -> None:
    """The error names the folder."""
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="give another root="):
        run(tmp_path / "file" / "below")


def test_an_interrupt_goes_through(tmp_path: Path) -> None:
    """What was done by then is recorded; the setting in hand is not, and is run the next time."""

    class Stopped(Nothing):
        def started(self, identity: str, name: str, worker: str) -> None:  # noqa: ARG002 - a display's
            if name == "i=2":
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, display=Stopped())
    assert (ran, run(tmp_path).done, ran) == ([1, 2, 3], 2, [1, 2, 3])


class Stays:
    """Has values, and so an identity, and cannot be pickled."""

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        """Give what it is to who asks for that, and nothing to who would send it away."""
        if protocol > 2:
            raise TypeError("I stay here")
        return Stays, ()


class Any_(Experiment):  # noqa: N801 - of any value
    """One field that may be anything."""

    i: object = 0

    def run(self) -> None:
        """Do nothing."""


def test_fields_that_cannot_travel_fail_alone(tmp_path: Path) -> None:
    """The settings that can are run."""
    summary = run(tmp_path, Any_(i=search(1, Stays(), 3)), num_proc=1)
    assert (summary.done, summary.failed) == (2, 1)
    assert "cannot be sent to a worker" in summary.failures[0].error


@pytest.mark.one_python
def test_memory_does_not_grow_with_the_settings(tmp_path: Path) -> None:
    """Four times as many leave hardly more behind, and have hardly more at once."""
    source = """
        import os, sys, tracemalloc
        import pyarrow.parquet
        from lattice_addons.experiments import Experiment, search
        from lattice_addons.experiments import _results, _run_all
        from lattice_addons.experiments._display import Nothing

        class Tiny(Experiment):
            i: int = search(*range(1))

            def run(self):
                return {"square": self.i ** 2}

        _run_all.provenance = lambda *_, **__: {}
        os.fsync = os.fdatasync = lambda _: None
        # As with many more settings: files are written, and put together, often.
        _results._RECORDS, _results._SMALL, _results._PARTS = 100, 8_000, 4
        tracemalloc.start()

        def kept(count):
            tracemalloc.clear_traces()
            tracemalloc.reset_peak()
            grid = Tiny(i=search(*range(count)))
            before = tracemalloc.get_traced_memory()[0]
            grid.run_all(0, root=f"{sys.argv[1]}/{count}", display=Nothing())
            now, peak = tracemalloc.get_traced_memory()
            # Arrow counts by itself, and only ever upwards.
            return now - before, peak - before, pyarrow.default_memory_pool().max_memory()

        kept(100)
        print(*kept(200), *kept(800))
    """
    ended = Program(tmp_path, source).run(str(tmp_path / "root"), timeout=120)
    assert ended.returncode == 0, ended.stderr
    left, peak, arrow, left_more, peak_more, arrow_more = map(int, ended.stdout.split())
    # A setting that is kept is a thousand bytes or more.
    assert left_more - left < 100_000, ended.stdout
    assert peak_more - peak < 100_000, ended.stdout
    assert arrow_more < 2 * arrow, ended.stdout
