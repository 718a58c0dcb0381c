"""A HyperState is loaded from its newest checkpoint, and saved at each step."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lattice_addons import Settings, StateManagerGroup
from lattice_addons.cli import main
from lattice_addons.errors import ConfigError, HyperStateError, LeaseHeldError, NotSavedError
from lattice_addons.hyperstate import Blob, HyperState, RenameField, Rule, Versioned, _sound
from lattice_addons.state import _stored
from tests.unit.hyperstate.runs import Config, Mode, load, packs, stepped

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATTICE_JOB_ID", "run")


def test_begins_with_the_file_and_carries_on_from_the_checkpoint(tmp_path: Path) -> None:
    """First `initial_state` of the config, later all as the last step() left it; enums and empty tuples, too."""
    run = load(tmp_path, overrides=["batch=32"])
    assert (run.config.batch, run.config.optimizer.lr, run.state.best) == (32, 0.5, 0.5)
    run.state.seen[7] = "seven"
    stepped(run, 1.0, 2.0)
    run.state.step = 99  # no step() follows
    run.close()
    again = load(tmp_path)
    assert (again.state.step, again.config.batch, again.state.seen) == (2, 32, {7: "seven"})
    assert (again.state.mode, again.state.empty, again.config.optimizer.betas) == (Mode.GOOD, (), (0.9, 0.99))
    assert again.state.weights.get()[0] == 2.0
    again.close()


def test_overrides_count_for_a_checkpoint_as_well(tmp_path: Path) -> None:
    """What is given at a restart stands above what was stored."""
    run = load(tmp_path)
    stepped(run, 1.0)
    run.close()
    again = load(tmp_path, overrides=["optimizer.lr=0.25"])
    assert again.config.optimizer.lr == 0.25
    again.close()


def test_checkpoints_are_like_any_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are listed, shown as text, verified and kept within bounds."""
    # However slow the disk is: on a busy machine what is not deleted in this time is left to the next start.
    monkeypatch.setattr(_stored, "_LAST_MOMENT", 150.0)
    run = load(tmp_path)
    stepped(run, *range(6))
    run.close()
    root = ["--root", str(tmp_path / "checkpoints")]
    assert main(["verify", *root]) == 0
    assert main(["show", *root, "run", "state"]) == 0
    assert '"step": 6' in capsys.readouterr().out
    assert len(list((tmp_path / "checkpoints").glob("run/rank-00000/checkpoints/*.json"))) == 3


def test_a_run_is_rolled_back(tmp_path: Path) -> None:
    """To config, state and blobs of one instant; it carries on from there, and can go back to what it left behind."""
    run = load(tmp_path, overrides=["optimizer.lr=0.25"])
    stepped(run, 1.0, 2.0)
    run.config.optimizer.lr = 0.125
    stepped(run, 3.0)
    run.close()
    root = ["--root", str(tmp_path / "checkpoints")]
    assert main(["rollback", *root, "run", "2"]) == 0
    again = load(tmp_path)
    assert (again.state.step, again.config.optimizer.lr) == (2, 0.25)
    assert again.state.weights.get().tolist() == [2.0] * 20_000
    stepped(again, 4.0)
    again.close()
    assert main(["rollback", *root, "run", "3"]) == 0
    back = load(tmp_path)
    assert (back.state.step, back.config.optimizer.lr, back.state.weights.get()[0]) == (3, 0.125, 3.0)
    back.close()


def test_a_blob_is_read_only_when_it_is_accessed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps that do not touch it carry it on, unread and not written again; what comes back is mapped."""
    run = load(tmp_path)
    noise = np.random.default_rng(1).random(1_000_000)  # what can be compressed is not mapped
    run.state.weights.set(noise)
    run.step()
    run.close()
    monkeypatch.setattr(_sound, "_AT_ONCE", 0)
    again = load(tmp_path)
    before = packs(tmp_path)
    for _ in range(5):
        again.state.step += 1
        again.step()
    assert not again.state.weights.is_read
    assert packs(tmp_path) == before
    assert "not read" in repr(again.state.weights)
    value = again.state.weights.get()
    assert np.array_equal(value, noise)
    assert _is_mapped(value)
    again.step()
    assert packs(tmp_path) == before
    again.close()


def _is_mapped(array: np.ndarray[Any, Any]) -> bool:
    """Ask the system whether the array's memory is a file's."""
    address = array.__array_interface__["data"][0]
    with open("/proc/self/maps", encoding="utf-8") as maps:
        for line in maps:
            start, end = (int(each, 16) for each in line.split()[0].split("-"))
            if start <= address < end:
                return ".pack" in line
    return False


def test_a_blob_that_moves_or_goes(tmp_path: Path) -> None:
    """Blobs in a list keep their values when others are taken out before them."""
    run = load(tmp_path)
    run.state.more = [_blob(n) for n in range(3)]
    stepped(run, 1.0)
    run.close()
    again = load(tmp_path)
    del again.state.more[0]
    again.state.more.reverse()
    again.step()
    again.close()
    last = load(tmp_path)
    assert [blob.get()["n"] for blob in last.state.more] == [2, 1]
    last.close()


def _blob(number: int) -> Blob[Any]:
    return Blob({"n": number, "more": (1, 2)})


def test_two_steps_at_one_key(tmp_path: Path) -> None:
    """The later one counts, and the only checkpoint is never lost: it is there until the next is."""
    run = load(tmp_path)
    stepped(run, 1.0)
    run.state.best = 7.0
    run.step()
    run.step()
    run.close()
    again = load(tmp_path)
    assert (again.state.step, again.state.best) == (1, 7.0)
    again.close()


def test_a_job_that_was_another_programs(tmp_path: Path) -> None:
    """What a group has in a slot called ``state`` is no state of this class, and that is said."""
    group = StateManagerGroup(Settings(root=str(tmp_path / "checkpoints"), job_id="run", signals=()))
    group.register("state")
    group.update("state", 5)
    group.save()
    group.close()
    with pytest.raises(ConfigError, match=r"the newest checkpoint in .* does not fit State"):
        load(tmp_path)


def test_a_key_that_goes_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is saved, with a warning and a note, also as the first step of a later process."""
    run = load(tmp_path)
    stepped(run, 1.0, 2.0, 3.0)
    run.close()
    run = load(tmp_path)
    run.state.step = 1
    made = run.step()
    assert made is not None
    assert made.notes == ("step went back from 3 to 1",)
    assert "step went back from 3 to 1" in caplog.text
    run.close()
    again = load(tmp_path)
    assert again.state.step == 1
    again.close()


@pytest.mark.parametrize("bad", [1.5, True, None, "3"])
def test_a_key_that_is_no_int(tmp_path: Path, bad: object) -> None:
    """Nothing is saved then, and what was there is there."""
    run = load(tmp_path)
    stepped(run, 1.0)
    run.state.step = bad  # type: ignore[assignment]
    with pytest.raises(HyperStateError, match="must be an int"):
        run.step()
    run.close()
    again = load(tmp_path)
    assert again.state.step == 1
    again.close()


@pytest.mark.parametrize(
    ("key", "told"), [("stop", "has step, best"), ("mode", "must be an int"), ("step.x", "no f")]
)
def test_a_key_that_cannot_be(tmp_path: Path, key: str, told: str) -> None:
    """It is refused when the run is loaded, and another process may load at once."""
    with pytest.raises(HyperStateError, match=told):
        load(tmp_path, key)
    load(tmp_path).close()


def test_without_a_key(tmp_path: Path) -> None:
    """Each step() is a checkpoint."""
    run = load(tmp_path, None)
    first, second = run.step(), run.step()
    assert first is not None
    assert second is not None
    assert second.number == first.number + 1
    run.close()


def test_a_blob_that_cannot_be_stored(tmp_path: Path) -> None:
    """Nothing is saved: a checkpoint with an older blob beside a newer state would be of no instant."""
    run = load(tmp_path)
    stepped(run, 1.0)
    run.state.step = 2
    run.state.more = [Blob(open(os.devnull, encoding="utf-8")), _blob(1)]  # noqa: SIM115 - no encoding takes it
    with run.state.more[0].get(), pytest.raises(NotSavedError):
        run.step()
    run.close()
    with pytest.raises(HyperStateError, match="closed"):
        run.step()
    (tmp_path / "config.yaml").write_text("batch: [")  # nor is the file needed any more
    again = load(tmp_path)
    assert (again.state.step, again.state.more) == (1, [])
    again.step()
    again.close()


def test_one_process_has_a_run(tmp_path: Path) -> None:
    """A second one gets an error that says who has it."""
    run = load(tmp_path)
    with pytest.raises(LeaseHeldError):
        load(tmp_path)
    run.close()


@dataclass
class Smaller:
    """A state of a later version of the program."""

    step: int
    best: str


def test_a_state_class_that_has_changed(tmp_path: Path) -> None:
    """It is an error that tells all that does not fit; no older checkpoint is taken for it."""
    run = load(tmp_path)
    stepped(run, 1.0, 2.0)
    run.close()
    with pytest.raises(ConfigError) as caught:
        HyperState.load(
            Config, Smaller, lambda _: Smaller(0, ""), tmp_path / "config.yaml", tmp_path / "checkpoints"
        )
    assert {fault.path for fault in caught.value.faults} >= {"best", "seen", "weights"}


class Renamed(Versioned):
    """What a state of version 1 is read through."""

    @classmethod
    def version(cls) -> int:
        """The field was renamed once."""
        return 1

    @classmethod
    def upgrade_rules(cls) -> dict[int, list[Rule]]:
        """It was called ``step``."""
        return {0: [RenameField("step", "turn")]}


@dataclass
class Old:
    """The first version."""

    step: int
    table: Blob[list[int]]


@dataclass
class New(Renamed):
    """The second one."""

    turn: int
    table: Blob[list[int]]


def test_a_state_of_an_older_version(tmp_path: Path) -> None:
    """It is read through the rules, and stored as what it is now; its blobs stay where they are."""
    (tmp_path / "config.yaml").write_text("batch: 2\n")
    places = (tmp_path / "config.yaml", tmp_path / "checkpoints")
    old = HyperState.load(Config, Old, lambda _: Old(4, Blob([1, 2])), *places, "step")
    old.step()
    old.close()
    for turn in (4, 5):
        new = HyperState.load(Config, New, lambda _: New(0, Blob([])), *places, "turn")
        assert (new.state.turn, new.state.table.get()) == (turn, [1, 2])
        new.state.turn += 1
        new.step()
        new.close()


def test_settings_of_the_environment_say_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a folder of its own a run has the store that the variables name."""
    monkeypatch.setenv("LATTICE_CHECKPOINT_CONFIG", f"root={tmp_path / 'store'},keep=7")
    run = load(tmp_path, checkpoint_dir=None)
    stepped(run, 1.0)
    run.close()
    assert os.listdir(tmp_path / "store" / "run")
    assert load(tmp_path, checkpoint_dir=f"memory://{tmp_path.name}").state.step == 0


def test_a_schedule_follows_the_key(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its number is updated by each step(), its text is what is stored, and a number of one's own replaces it."""
    caplog.set_level(logging.INFO)
    run = load(tmp_path, overrides=["optimizer.lr=1.0@0 lin 0.0@10"])
    assert run.config.optimizer.lr == 1.0
    stepped(run, *range(4))
    assert run.config.optimizer.lr == pytest.approx(0.6)
    run.close()
    again = load(tmp_path)
    assert again.config.optimizer.lr == pytest.approx(0.6)
    again.close()
    last = load(tmp_path, overrides=["optimizer.lr=0.125"])
    stepped(last, 1.0)
    assert last.config.optimizer.lr == 0.125
    last.close()
