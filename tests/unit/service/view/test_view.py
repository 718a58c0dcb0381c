"""What is shown of a store's jobs is true, is read once, and opens nothing that runs code."""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
import subprocess
import sys
import textwrap
import time
from typing import TYPE_CHECKING, Any

import pytest

from lattice_addons import Settings
from lattice_addons.checkpoint import Checkpoint, Fresh, Line
from lattice_addons.cli import main
from lattice_addons.encoding import Encoded, encode
from lattice_addons.lifecycle import Owner
from lattice_addons.service import Jobs, JobView
from lattice_addons.service.view import (
    Board,
    SeriesReader,
    edits,
    hyperparams_of,
    slot_value,
    slots_of,
    timeline,
    tree_of,
)
from lattice_addons.storage import LocalStore
from lattice_addons.storage.spool._attend import hold
from tests.program import clean_environ
from tests.unit.storage.spool.machines import FOLDER, Machine, restart

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEAD = 2**22 - 7  # no process has this number for long


class Counting(LocalStore):
    """A local store that remembers which keys were read."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.read_keys: list[str] = []

    def read(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """Read, and remember it."""
        self.read_keys.append(key)
        return super().read(key, start, stop)

    def manifests_read(self) -> int:
        """Count the manifests that were read since the last time this was asked."""
        count = sum("/checkpoints/" in key for key in self.read_keys)
        self.read_keys.clear()
        return count


@pytest.fixture
def store(tmp_path: Path) -> Counting:
    """Give a store."""
    return Counting(tmp_path / "store")


@pytest.fixture
def jobs(store: Counting) -> Jobs:
    """Give its jobs."""
    return Jobs(store, Settings(root=store.root))


@pytest.fixture
def line(store: Counting) -> Iterator[Line]:
    """Give the line of the job ``train``."""
    made = Line(store, "train", settings=Settings(root=store.root))
    yield made
    made.release()


def save(line: Line, reason: str = "manual", notes: tuple[str, ...] = (), **values: Any) -> Checkpoint:
    """Commit a checkpoint of plain values."""
    slots = {name: Fresh("StateManager", encode(value)) for name, value in values.items()}
    return line.commit(slots, parent=None, reason=reason, notes=notes)


def view(jobs: Jobs, name: str = "train") -> JobView:
    """Give one job, which is there."""
    found = jobs.job(name)
    assert found is not None
    return found


def write_lease(store: LocalStore, owner: dict[str, Any], job: str = "train") -> None:
    """Leave the lease of some process."""
    store.replace(f"{job}/rank-00000/lease.json", json.dumps(owner | {"session": "01"}).encode())


def test_a_job_runs_while_its_process_holds_the_lease_and_stops_when_it_gives_it_back(
    jobs: Jobs, line: Line
) -> None:
    """What would be lost is told of a job that runs, and of no other."""
    for epoch in range(3):
        save(line, epoch=epoch)
    running = view(jobs)
    assert (running.state, running.number, running.pid) == ("running", 3, os.getpid())
    assert running.lost_seconds is not None
    assert running.saves_per_minute > 0
    line.release()
    stopped = view(jobs)
    assert (stopped.state, stopped.lost_seconds, stopped.saves_per_minute) == ("stopped", None, 0.0)


def test_a_lease_that_a_dead_process_left_is_a_crash(store: Counting, jobs: Jobs, line: Line) -> None:
    """So is an exception that nobody caught; Ctrl-C is none."""
    save(line, epoch=1)
    line.release()
    write_lease(store, Owner.current().to_dict() | {"pid": DEAD})
    assert view(jobs).state == "crashed"
    store.delete(["train/rank-00000/lease.json"])
    assert view(jobs).state == "stopped"
    save(line, "exception", ("ValueError",), epoch=2)
    line.release()
    assert view(jobs).state == "crashed"
    save(line, "exception", ("KeyboardInterrupt",), epoch=3)
    line.release()
    assert view(jobs).state == "stopped"


def test_of_ranks_of_which_one_has_died_the_one_that_lives_is_named(
    store: Counting, jobs: Jobs, line: Line
) -> None:
    """Each rank says of itself whether it runs; the job is named after a process that there is."""
    save(line, epoch=1)
    other = Line(store, "train", 1, settings=line.settings)
    save(other, epoch=1)
    line.release()
    write_lease(store, Owner.current().to_dict() | {"pid": DEAD})
    dead, living = jobs.ranks("train")
    assert [(rank.state, rank.alive) for rank in (dead, living)] == [("crashed", False), ("running", True)]
    assert (view(jobs).state, view(jobs).pid) == ("running", os.getpid())
    other.release()


def test_a_writer_elsewhere_is_lost_when_its_claim_is_not_renewed(
    store: Counting, jobs: Jobs, line: Line
) -> None:
    """A claim that changes is alive, whatever the clock of its machine says."""
    save(line, "periodic", epoch=1)
    line.release()
    elsewhere = {"host": "node7", "boot_id": "b", "pid": 9, "start": 1, "pid_namespace": "n"}
    claim = {"number": 1, "session": "s", "nonce": "a", "renewed": time.time() - 3600, "owner": elsewhere}
    key = "train/rank-00000/claims/00000001.json"
    store.put(key, json.dumps(claim).encode())
    lost = view(jobs)
    assert (lost.state, lost.host, lost.pid) == ("lost contact", "node7", 9)
    store.replace(key, json.dumps(claim | {"nonce": "b"}).encode())
    assert view(jobs).state == "running"
    # Its machine gave the claim back, and no last save came: it was killed there.
    store.delete([key])
    assert view(jobs).state == "crashed"


def leave_a_dead_lease(machine: Machine) -> None:
    """Let a machine have been killed while it wrote the job."""
    owner = Owner.current().to_dict() | {"pid": DEAD, "session": "01"}
    machine.spool.store.replace(f"{machine.line.folder}lease.json", json.dumps(owner).encode())


def seen_on(top: Path, name: str) -> JobView:
    """Give the job as `lattice list` shows it on a machine: by its spool, and the store that it shares."""
    machine = Machine(top, name)
    return view(Jobs(machine.store, machine.line.settings), "job")


def test_a_job_that_went_on_elsewhere_is_not_judged_by_the_lease_of_a_dead_process_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Killed on one machine, it ran on another and ended well: both say so, and while it runs there, that it runs."""
    monkeypatch.setenv("LATTICE_CHECKPOINT_TYPE", "fsspec")
    monkeypatch.setenv("LATTICE_CHECKPOINT_CONFIG", f"root=file://{tmp_path}/remote,spool={tmp_path}/a")
    first = restart(tmp_path, "a")
    first.save(1)
    first.end()
    leave_a_dead_lease(first)
    assert seen_on(tmp_path, "a").state == "crashed"
    second = restart(tmp_path, "b")
    # Not saved anything yet: the claim tells of it.
    assert seen_on(tmp_path, "a").state == "running"
    assert main(["list", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["state"], row["running"]) == ("running", None)
    second.save(2)
    assert second.send() is None
    assert (seen_on(tmp_path, "a").state, seen_on(tmp_path, "a").number) == ("running", 2)
    second.line.commit({}, parent=2, reason="exit")
    second.end()
    assert [seen_on(tmp_path, name).state for name in "ab"] == ["stopped", "stopped"]
    # And a process that is killed here after that has crashed.
    leave_a_dead_lease(first)
    assert [seen_on(tmp_path, name).state for name in "ab"] == ["crashed", "stopped"]


def test_what_was_read_once_is_not_read_again(store: Counting, jobs: Jobs, line: Line) -> None:
    """A look at jobs of which nothing is new reads no manifest; one new checkpoint is one manifest."""
    for epoch in range(4):
        save(line, epoch=epoch)
    jobs.all()
    assert store.manifests_read() == 4
    jobs.all()
    assert store.manifests_read() == 0
    save(line, epoch=4)
    store.manifests_read()
    assert jobs.all()[0].number == 5
    assert store.manifests_read() == 1


def test_a_job_that_was_cleared_is_another_one(store: Counting, jobs: Jobs, line: Line) -> None:
    """Its numbers begin again, and nothing of the old one is shown under them."""
    save(line, "exit", epoch=1, weights=[1, 2, 3])
    save(line, "exit", epoch=2, weights=[1, 2, 3])
    before = view(jobs)
    line.release()
    store.delete(store.list("train/"))
    again = Line(store, "train", settings=line.settings)
    save(again, "signal:SIGTERM", epoch=7)
    again.release()
    after = view(jobs)
    assert (before.reason, after.reason, after.number) == ("exit", "signal:SIGTERM", 1)
    assert jobs.manifests.whole("train", 0, 1).reason == "signal:SIGTERM"


def test_a_damaged_checkpoint_is_told_and_the_one_before_it_is_shown(
    store: Counting, jobs: Jobs, line: Line
) -> None:
    """The job is there all the same."""
    save(line, epoch=1)
    save(line, epoch=2)
    key = "train/rank-00000/checkpoints/000000000002.json"
    store.replace(key, store.read(key).replace(b'"epoch"', b'"epocX"'))
    found = view(jobs)
    assert found.number == 1
    assert "damaged" in found.problem
    told = timeline(jobs.manifests, "train", 0, (1, 2))
    assert [bool(facts.problem) for facts in told.checkpoints] == [False, True]


def test_a_life_ends_with_its_last_save_or_with_its_process(jobs: Jobs, line: Line) -> None:
    """Checkpoints of one process are one life; those of the next one are another, though the first said nothing."""
    save(line, epoch=1)
    save(line, "exit", epoch=2)
    save(line, epoch=3)
    slots = {"epoch": Fresh("StateManager", encode(4))}
    for pid in (1, 1, 2):
        line.commit(slots, parent=None, reason="periodic", program={"argv": ["a"], "host": "h", "pid": pid})
    told = timeline(jobs.manifests, "train", 0, jobs.manifests.numbers("train", 0))
    assert [[facts.number for facts in life.checkpoints] for life in told.lives] == [[1, 2], [3], [4, 5], [6]]
    assert [life.ending for life in told.lives] == ["exit", "", "", ""]


def test_slots_say_what_has_become_of_them(jobs: Jobs, line: Line) -> None:
    """The same, changed, added and removed, with the values where they are short."""
    save(line, same=1, changed=1.5, removed="x")
    save(line, same=1, changed=2.5, added=[1])
    one, two = (jobs.manifests.whole("train", 0, number) for number in (1, 2))
    told = {slot.name: (slot.change, slot.preview_before, slot.preview) for slot in slots_of(two, one)}
    assert told == {
        "same": ("same", "", "1"),
        "changed": ("changed", "1.5", "2.5"),
        "added": ("added", "", "[1]"),
        "removed": ("removed", '"x"', ""),
    }


class Trap:
    """Leaves a file behind where it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        """Open the file."""
        return open, (self.path, "w")


def test_a_pickle_is_described_and_never_opened(jobs: Jobs, line: Line, tmp_path: Path) -> None:
    """Whatever is asked about a checkpoint with one."""
    trap = tmp_path / "trap"
    data = pickle.dumps(Trap(str(trap)))
    line.commit(
        {"trap": Fresh("StateManager", Encoded("pickle", "x.Trap", None, (data,)))},
        parent=None,
        reason="exit",
    )
    checkpoint = jobs.manifests.whole("train", 0, 1)
    value = slot_value(jobs.manifests.line("train"), checkpoint, "trap")
    list(slots_of(checkpoint, None))
    SeriesReader(jobs.manifests).slots("train", 0, [1])
    jobs.all()
    assert (value.plain, value.value) == (False, None)
    assert "not opened" in value.why_not
    assert not trap.exists()
    pickle.loads(data).close()
    assert trap.exists()


def test_a_value_of_any_size_is_read_and_shown_as_far_as_a_page_has_room(jobs: Jobs, line: Line) -> None:
    """One that is stored in chunks is read; what is left out is counted; what JSON cannot say comes back."""
    save(line, long=list(range(50_000)), odd={"nan": float("nan"), "big": 2**200}, deep=_nested(200))
    checkpoint = jobs.manifests.whole("train", 0, 1)

    def shown(name: str) -> Any:
        value = slot_value(jobs.manifests.line("train"), checkpoint, name)
        assert value.plain
        return tree_of(value.value)

    long = shown("long")
    assert long.count == 50_000
    assert long.left_out + len(long.children) == 50_000
    assert len(long.children) < 5000
    assert [(each.label, each.text) for each in shown("odd").children] == [
        ("nan", "nan"),
        ("big", str(2**200)),
    ]
    assert shown("deep").count == 1


def _nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def test_numbers_in_slots_are_lines_over_checkpoints(jobs: Jobs, line: Line) -> None:
    """Also those within a mapping; what cannot be drawn is no point."""
    for epoch in range(3):
        save(line, epoch=epoch, metrics={"loss": 1 / (epoch + 1), "bad": float("inf")}, name="x")
    lines = SeriesReader(jobs.manifests).slots("train", 0, [1, 2, 3])
    assert {each.name: each.points for each in lines} == {
        "epoch": ((1, 0.0), (2, 1.0), (3, 2.0)),
        "metrics.loss": ((1, 1.0), (2, 0.5), (3, 1 / 3)),
    }


def test_a_large_store_is_looked_at_in_turn(
    store: Counting, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each look takes a bounded time, says how many wait, and in the end all are there; what runs is always new."""
    settings = Settings(root=store.root)
    lines = [Line(store, f"job-{number:03}", settings=settings) for number in range(20)]
    for line in lines:
        save(line, "exit", epoch=1)
    for line in lines[1:]:
        line.release()
    for limit in ("_FRESH", "_FIRST", "_UNREAD", "_BUDGET"):
        monkeypatch.setattr(f"lattice_addons.service.view._board.{limit}", 0.0)
    board = Board(jobs)
    first = board.now()
    assert len(first.jobs) + first.waiting == 20
    assert first.waiting > 0
    now = first
    for _ in range(20):
        now = board.now()
    assert now.waiting == 0
    assert len(now.jobs) == 20
    save(lines[0], epoch=2)
    assert board.now().jobs["job-000"].number == 2
    lines[0].release()


def test_hyper_parameters_come_with_the_lines_that_declare_them(tmp_path: Path) -> None:
    """As the program that saved them ran, or had its source parsed; nothing of the source is needed later."""
    source = """
        from lattice_addons import Settings, StateManagerGroup
        from lattice_addons.hyperparams.m import _

        lr = _("lr", 0.1)
        width = _("net.width",
                  64)
        group = StateManagerGroup(Settings(root="store", job_id="train"))
        group.register("epoch")
        group.update("epoch", 1)
    """
    program = tmp_path / "train.py"
    program.write_text(textwrap.dedent(source).lstrip(), encoding="utf-8")
    subprocess.run([sys.executable, str(program)], cwd=tmp_path, env=clean_environ(), check=True, timeout=150)
    program.unlink()
    jobs = Jobs(LocalStore(tmp_path / "store"), Settings(root=str(tmp_path / "store")))
    told = {each.name: each for each in hyperparams_of(jobs.manifests.whole("train", 0, 1))}
    assert (told["lr"].value, told["lr"].line, told["lr"].source) == ("0.1", 4, 'lr = _("lr", 0.1)')
    assert told["lr"].path.endswith("train.py")
    assert (told["net.width"].value, told["net.width"].line) == ("64", 5)


def test_edits_of_a_config_are_told_newest_first(jobs: Jobs, line: Line) -> None:
    """Each with the checkpoint that it made."""
    save(line, "edit", ("edited config.lr: 0.1 → 0.05",), epoch=1)
    save(line, "manual", ("mid-element: x", "set config.lr: 0.05 → 0.2, by me"), epoch=2)
    told = timeline(jobs.manifests, "train", 0, (1, 2))
    assert [(edit.number, edit.text) for edit in edits(told.checkpoints)] == [
        (2, "set config.lr: 0.05 → 0.2, by me"),
        (1, "edited config.lr: 0.1 → 0.05"),
    ]


def test_what_is_only_being_sent_is_written_by_nobody(tmp_path: Path) -> None:
    """A program that ended has a claim until all is sent, and so has a name that was given to a checkpoint."""
    here = restart(tmp_path, "here")
    here.save(1)
    assert here.send() is None
    there = Machine(tmp_path, "there")
    assert [view(Jobs(each.store), "job").state for each in (here, there)] == ["running", "running"]
    here.line.release()
    assert here.remote.list(f"{FOLDER}claims/")
    assert view(Jobs(here.store), "job").state == "stopped"
    # What another machine's spool has still to send cannot be known from here.
    assert view(Jobs(Machine(tmp_path, "there").store), "job").state == "running"
    here.end()
    here.line.keeps.put(1, "best")
    assert hold(here.spool, here.remote, FOLDER) is None
    assert here.remote.list(f"{FOLDER}claims/")
    assert view(Jobs(here.store), "job").state == "stopped"
    here.line.acquire()
    assert view(Jobs(here.store), "job").state == "running"
    here.end()


def test_jobs_that_do_not_run_are_first_looked_at_in_short(
    store: Counting, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One manifest of each is enough to say how they stand; their trends follow with the next look."""
    for limit in ("_FIRST", "_BUDGET"):
        monkeypatch.setattr(f"lattice_addons.service.view._board.{limit}", 600.0)
    settings = Settings(root=store.root)
    lines = [Line(store, name, settings=settings) for name in ("a", "b", "c")]
    for line in lines:
        for epoch in range(3):
            save(line, "exit", epoch=epoch)
    for line in lines[:2]:
        line.release()
    store.manifests_read()
    board = Board(jobs)
    first = board.now(fresh=0.0).jobs
    assert store.manifests_read() == 1 + 1 + 3
    assert {name: len(each.trend) for name, each in first.items()} == {"a": 1, "b": 1, "c": 3}
    assert [each.state for each in first.values()] == ["stopped", "stopped", "running"]
    second = board.now(fresh=0.0).jobs
    assert store.manifests_read() == 2 + 2
    assert {len(each.trend) for each in second.values()} == {3}
    assert all(dataclasses.replace(first[name], trend=()) == dataclasses.replace(each, trend=())
               for name, each in second.items() if name != "c")  # fmt: skip
    lines[2].release()
