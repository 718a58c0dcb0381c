"""Where an experiment's things lie follows from where its source is."""

from __future__ import annotations

import importlib.util
import json
import pickle
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from lattice_addons.errors import ExperimentBusyError, ExperimentNotFoundError
from lattice_addons.experiments import Experiment, Place
from lattice_addons.experiments._display import Nothing
from lattice_addons.experiments._lock import _held_here
from tests.program import Program, finish, wait_for

if TYPE_CHECKING:
    from pathlib import Path


class Here(Experiment):
    """An experiment of this file."""

    x: int = 1


def class_in(path: Path, name: str) -> type:
    """Write a file with an experiment, and load it under a name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "from lattice_addons.experiments import Experiment\nclass RQ1(Experiment):\n    x: int = 1\n"
    )
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: type = module.RQ1
    return found


@pytest.mark.parametrize(
    ("file", "place"),
    [
        ("experiments/params.py", "experiments/progress/params/RQ1"),
        ("experiments/index/params.py", "experiments/progress/index.params/RQ1"),
        ("src/app/params.py", "experiments/progress/src.app.params/RQ1"),
        ("params.py", "experiments/progress/params/RQ1"),
        ("app/__init__.py", "experiments/progress/app/RQ1"),
    ],
)
def test_the_folder_is_that_of_the_source(tmp_path: Path, file: str, place: str) -> None:
    """However its module is called in this process, and from wherever it is run."""
    (tmp_path / "pyproject.toml").touch()
    cls = class_in(tmp_path / file, "whatever")
    assert Place(cls).url == str(tmp_path / place)
    assert not (tmp_path / "experiments" / "progress").exists()


def test_a_root_takes_its_place(tmp_path: Path) -> None:
    """A folder, or a URL; not a file."""
    inside = "test_place/Here"
    assert Place(Here, tmp_path).url == str(tmp_path / inside)
    assert Place(Here, f"file://{tmp_path}").url == str(tmp_path / inside)
    assert Place(Here, "s3://bucket/x/").url == f"s3://bucket/x/{inside}"
    (tmp_path / "file").touch()
    with pytest.raises(ExperimentNotFoundError, match="is a file"):
        Place(Here, tmp_path / "file")


def test_a_place_travels_by_its_name(tmp_path: Path) -> None:
    """Each process opens its own store."""
    place = Place(Here, tmp_path)
    assert place.store is place.store
    there = pickle.loads(pickle.dumps(place))
    assert (there.url, there.experiment) == (place.url, place.experiment)
    assert "store" not in vars(there)


def test_one_program_at_a_time_runs_an_experiment(tmp_path: Path) -> None:
    """The error names process and host; one that was killed is in nobody's way."""
    (tmp_path / "exp.py").write_text(
        "from lattice_addons.experiments import Experiment\nclass E(Experiment): x: int = 1\n"
    )
    source = """
        import sys, time, exp
        from lattice_addons.experiments import Place
        with Place(exp.E).lock():
            print("held", flush=True)
            sys.stdin.readline()
    """
    program = Program(tmp_path, source)
    first = program.start()
    wait_for(first, "held")
    second = program.run()
    assert second.returncode == 1
    assert f"exp.E is run by process {first.pid} on host" in second.stderr
    first.kill()
    finish(first)
    third = program.start()
    wait_for(third, "held")
    assert third.communicate("\n", timeout=150)[1] == ""


def test_the_lock_holds_within_a_process_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And elsewhere than in a folder; it is free again when the block has ended."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for root in (str(tmp_path), f"memory://{tmp_path.name}"):
        place = Place(Here, root)
        second = Place(Here, root).lock()
        with place.lock(), pytest.raises(ExperimentBusyError, match="this very process"):
            second.__enter__()
        with second:
            pass


class Long(Experiment):
    """One setting, which takes longer than the runner may be silent."""

    root: str = ""
    rival: bool = False

    def run(self) -> dict[str, bool]:
        """Wait until somebody else in this process has shown that it lives; or take its place."""
        if not self.root.startswith("memory:"):
            return {"threads": "lattice-runner" in {each.name for each in threading.enumerate()}}
        store = Place(Long, self.root).store
        told = json.loads(store.read("runner.json"))
        if self.rival:
            (lock,) = _held_here
            with lock._beating:  # not between its look and its beat, which are seconds apart from a rival's
                store.replace("runner.json", json.dumps({**told, "session": "another"}).encode())
            time.sleep(0.1)
            return {}
        until = time.monotonic() + 60
        while json.loads(store.read("runner.json"))["beat"] == told["beat"] and time.monotonic() < until:
            time.sleep(0.01)
        return {"beaten": json.loads(store.read("runner.json"))["beat"] > told["beat"]}


def alone(root: str, *, rival: bool = False) -> list[dict[str, bool]]:
    """Run it in this process; give its rows."""
    Long(root=root, rival=rival).run_all(num_proc=0, root=root, display=Nothing())
    return [row for each in Place(Long, root).journal().records().values() for row in each.rows]


def test_a_long_run_in_the_runners_own_process_shows_that_it_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no lock does; a thread beats, and ends with the runner."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr("lattice_addons.experiments._lock._BEAT", 0.05)
    root = f"memory://{tmp_path.name}"
    assert alone(root) == [{"beaten": True}]
    store = Place(Long, root).store
    assert "runner.json" not in store.list("")
    until = time.monotonic() + 60
    while "lattice-runner" in {each.name for each in threading.enumerate()}:
        assert time.monotonic() < until
        time.sleep(0.01)
    assert "runner.json" not in store.list("")
    assert alone(str(tmp_path)) == [{"threads": False}]


def test_a_runner_whose_place_was_taken_meanwhile_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By whoever beats: what the thread has met is not passed over."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr("lattice_addons.experiments._lock._BEAT", 0.01)
    with pytest.raises(ExperimentBusyError, match="is run by process"):
        alone(f"memory://{tmp_path.name}", rival=True)
