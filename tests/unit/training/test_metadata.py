"""Metadata of a run: measured, filled in from anywhere, readable in every checkpoint."""

from __future__ import annotations

import copy
import json
import pickle
import sys
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from lattice_addons import Settings, StateManagerGroup
from lattice_addons.errors import UnkeepableError
from lattice_addons.training import Metadata

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class WithTokens(Metadata):
    """Metadata with a field of its own."""

    tokens: int = 0


def start(folder: Path) -> StateManagerGroup:
    """Open the job."""
    return StateManagerGroup(Settings(root=str(folder), job_id="job", signals=(), atexit_saving=False))


def test_run_time_and_memory_are_measured() -> None:
    """From when it is made: seconds, and the highest residence of the process."""
    metadata = Metadata()
    assert datetime.fromisoformat(metadata.start_time or "").tzinfo is not None
    ballast = bytearray(32 << 20)
    ballast[::4096] = b"x" * len(ballast[::4096])
    time.sleep(0.02)
    metadata.finish()
    assert metadata.measured["seconds"] >= 0.02
    assert metadata.measured["memory_bytes"] > len(ballast)
    assert metadata.time_taken
    assert metadata.memory_usage
    assert datetime.fromisoformat(metadata.end_time or "") >= datetime.fromisoformat(
        metadata.start_time or ""
    )
    before = dict(metadata.measured)
    metadata.measure()
    assert metadata.measured == before  # the run is over


def test_no_gpu_is_no_use_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no program part uses a GPU nothing is said of one, and torch is not imported for it."""
    monkeypatch.delitem(sys.modules, "torch", raising=False)  # another test may have used one
    metadata = Metadata()
    metadata.measure()
    assert metadata.gpu_usage is None
    assert "torch" not in sys.modules


def test_torch_that_another_thread_imports_is_no_use_of_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is among the modules before it has any of its parts."""
    monkeypatch.setitem(sys.modules, "torch", ModuleType("torch"))
    metadata = Metadata()
    metadata.measure()
    assert metadata.gpu_usage is None


@pytest.mark.parametrize("now", [[], [5], [5, 1], [5, 1, 7, 2]], ids=len)
def test_gpus_of_earlier_processes_stay(now: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """The highest use of each GPU, also where this process has fewer of them, or more."""
    metadata = Metadata()
    metadata.load_state_dict({"measured": {"gpu_bytes": [4, 6, 3]}})
    monkeypatch.setattr("lattice_addons.training._metadata._gpu_memory", lambda: now)
    metadata.measure()
    padded = now + [0] * (3 - len(now))
    assert metadata.measured["gpu_bytes"] == [max(pair) for pair in zip(padded, [4, 6, 3, 0], strict=False)]
    assert metadata.gpu_usage is not None
    assert metadata.gpu_usage.count(",") == len(padded) - 1


def test_stages_add_up() -> None:
    """A stage that comes twice has the time of both, also when it fails."""
    metadata = Metadata()
    with metadata.stage("load"):
        time.sleep(0.01)
    first = metadata.stages["load"]
    with pytest.raises(ZeroDivisionError):
        fail_slowly(metadata)
    assert metadata.stages["load"] >= first + 0.01


def test_parts_of_a_pipeline_add_to_one_field() -> None:
    """What one part put into a dict stays when another adds; a reader's dict does not change under it."""
    metadata = Metadata()
    metadata.add(holdout_performance={"auc": 0.9})
    seen = metadata.holdout_performance
    metadata.add(holdout_performance={"f1": 0.8}, model_artifacts={"weights": "model.pt"})
    assert metadata.holdout_performance == {"auc": 0.9, "f1": 0.8}
    assert seen == {"auc": 0.9}


@pytest.mark.parametrize("way", ["assign", "update", "add"])
def test_a_field_that_is_not_there_is_told(way: str) -> None:
    """A fact under a misspelt name is not lost in silence."""
    metadata = Metadata()
    ways: dict[str, Callable[[], object]] = {
        "assign": lambda: setattr(metadata, "holdout_perfomance", {}),
        "update": lambda: metadata.update(run_id="7", holdout_perfomance={}),
        "add": lambda: metadata.add(holdout_perfomance={"auc": 0.9}),
    }
    with pytest.raises(UnkeepableError, match="'holdout_performance'"):
        ways[way]()
    assert metadata.run_id is None


def test_several_threads() -> None:
    """No entry of any thread is lost, and whoever reads sees what was set together together."""
    metadata = Metadata()
    torn: list[object] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen = metadata.state_dict()
            if seen["run_id"] != seen["model_version"]:
                torn.append(seen)

    def write(name: int) -> None:
        for number in range(300):
            metadata.add(holdout_performance={f"{name}-{number}": 1.0})
            metadata.update(run_id=f"{name}-{number}", model_version=f"{name}-{number}")

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=write, args=(name,)) for name in range(4)]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    reader.join()
    assert len(metadata.holdout_performance or {}) == 1200
    assert not torn


def fail_slowly(metadata: Metadata) -> None:
    """Load, and find out after a while that it cannot be."""
    with metadata.stage("load"):
        time.sleep(0.01)
        raise ZeroDivisionError


class Odd:
    """A value that no text stands for."""

    def __repr__(self) -> str:
        """Show nothing."""
        raise RuntimeError("never")


def test_whatever_is_put_in_is_readable() -> None:
    """Paths, times, tuples, numbers as keys and values that cannot be shown: all become plain data."""
    loop: dict[str, Any] = {}
    loop["itself"] = loop
    told: dict[Any, Any] = {}
    metadata = Metadata(raw_dvc_metadata=told)
    told.update(
        {
            "path": PurePosixPath("/data/train.csv"),
            "when": datetime(2026, 1, 1),  # noqa: DTZ001 - as a program might
            1: (1, 2),
            "tags": {"a"},
            "odd": Odd(),
            "loop": loop,
        }
    )
    stored = metadata.state_dict()
    again = json.loads(json.dumps(stored))["raw_dvc_metadata"]
    assert again["path"] == "/data/train.csv"
    assert again["when"] == "2026-01-01T00:00:00"
    assert again["1"] == [1, 2]
    assert again["tags"] == ["a"]
    assert "Odd" in again["odd"]


def test_numbers_of_numpy_are_numbers() -> None:
    """A metric of NumPy's is a number in the manifest."""
    numpy = pytest.importorskip("numpy", reason="its numbers are what this is about")
    metadata = Metadata(avg_bias=numpy.float32(0.5), holdout_performance={"all": numpy.arange(2)})
    stored = metadata.state_dict()
    assert stored["avg_bias"] == 0.5
    assert type(stored["avg_bias"]) is float
    assert stored["holdout_performance"] == {"all": [0, 1]}


def test_every_checkpoint_has_it_readable(tmp_path: Path) -> None:
    """Tracked, it stands as text in the manifest, measured at the time of the save."""
    group = start(tmp_path)
    metadata = WithTokens(raw_filepath="train.csv")
    group.track(metadata=metadata)
    metadata.tokens = 12
    metadata.add(holdout_performance={"auc": 0.9})
    group.save()
    group.close()
    [manifest] = tmp_path.rglob("checkpoints/*.json")
    slot = json.loads(manifest.read_text("utf-8"))["slots"]["metadata"]["value"]
    assert slot["tokens"] == 12
    assert slot["raw_filepath"] == "train.csv"
    assert slot["holdout_performance"] == {"auc": 0.9}
    assert slot["measured"]["memory_bytes"] > 0


def test_a_restart_carries_on(tmp_path: Path) -> None:
    """The next process has the facts of the one before; its time is added, its restart counted, once."""
    group = start(tmp_path)
    first = Metadata(run_id="7")
    group.track(metadata=first)
    time.sleep(0.02)
    first.finish()
    group.save()
    begun, seconds = first.start_time, first.measured["seconds"]
    group.close()
    group = start(tmp_path)
    second = Metadata()
    group.track(metadata=second)
    assert (second.run_id, second.start_time, second.restarts) == ("7", begun, 1)
    assert second.end_time is None  # it runs again
    time.sleep(0.01)
    group.save()
    assert second.measured["seconds"] >= round(seconds + 0.01, 3)  # both are
    group.load()  # this process's own: no restart
    assert second.restarts == 1
    assert seconds <= second.measured["seconds_before"] < seconds + 0.01
    group.close()


def test_a_copy_is_independent() -> None:
    """Before a change that may be wrong one keeps a copy, and a process may send it to another."""
    metadata = WithTokens(tokens=3)
    metadata.add(stages={"load": 1.0})
    for made in (copy.deepcopy(metadata), pickle.loads(pickle.dumps(metadata))):
        assert made.tokens == 3
        made.add(stages={"train": 2.0})
    assert metadata.stages == {"load": 1.0}


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy])
def test_a_copy_is_no_restart(how: Callable[[Metadata], Metadata]) -> None:
    """A copy of a run that is over says that it is over, and has been started as often."""
    metadata = Metadata()
    metadata.finish()
    made = how(metadata)
    assert made == metadata
    assert (made.restarts, made.end_time) == (0, metadata.end_time)


def test_fields_of_a_newer_program_are_left_out() -> None:
    """What an older class does not know does not stop it."""
    stored = WithTokens(tokens=3, run_id="7").state_dict()
    metadata = Metadata()
    metadata.load_state_dict(stored)
    assert metadata.run_id == "7"


def test_a_notebook_shows_what_is_known() -> None:
    """As text, without the fields that nobody has set."""
    html = Metadata(run_id="<b>")._repr_html_()
    assert "&lt;b&gt;" in html
    assert "avg_bias" not in html
