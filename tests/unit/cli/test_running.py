"""``lattice list`` and ``show`` say what a running job would lose, and what its saves cost."""

from __future__ import annotations

import json
import os
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest

from lattice_addons import Settings, StateManagerGroup
from lattice_addons.checkpoint import Line
from lattice_addons.cli import main
from lattice_addons.storage import open_store
from tests.program import Program, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MIB = 1024 * 1024


@pytest.fixture
def group(tmp_path: Path) -> Iterator[StateManagerGroup]:
    """Give a group that runs in this process."""
    group = StateManagerGroup(Settings(root=str(tmp_path / "store"), job_id="job", signals=(), keep=100))
    group.register("blob")
    yield group
    group.close()


def listed(root: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Give the one row of the list."""
    assert main(["list", "--json", "--root", str(root)]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    return dict(row)


def shown(root: Path, capsys: pytest.CaptureFixture[str], command: str = "list") -> str:
    """Give what a person sees, without the ends of lines."""
    assert main([command, "--root", str(root)]) == 0
    return " ".join(capsys.readouterr().out.replace("│", " ").split())


def date_back(root: Path, seconds: dict[int, float]) -> None:
    """Make checkpoints look as if they had been made so many seconds ago."""
    line = Line(open_store(Settings(root=str(root))), "job", settings=Settings(root=str(root)))
    # One moment for all: what lies between two of them is what was asked for, however long the disk takes.
    now = datetime.now(timezone.utc).timestamp()
    for number, age in seconds.items():
        checkpoint = line.load(number)
        created = datetime.fromtimestamp(now - age, timezone.utc)
        _write(line, checkpoint, created.isoformat(timespec="microseconds").replace("+00:00", "Z"))


def _write(line: Line, checkpoint: Any, created: str) -> None:
    from dataclasses import replace

    from lattice_addons.checkpoint._layout import manifest_key
    from lattice_addons.checkpoint._manifest import to_text

    text = to_text(replace(checkpoint, created=created), None)
    line.store.replace(manifest_key(line.folder, checkpoint.number), text)


def save(group: StateManagerGroup, count: int = 1) -> None:
    """Save something new of a MiB, so many times."""
    for _ in range(count):
        group.update("blob", os.urandom(MIB))
        group.save()


def test_a_job_that_runs_says_what_it_would_lose(
    group: StateManagerGroup, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A MiB every thousand seconds, saved 5 seconds ago: some KiB are not saved."""
    root = tmp_path / "store"
    save(group, 3)
    date_back(root, {1: 2005, 2: 1005, 3: 5})

    row = listed(root, capsys)
    assert row["running"] is True
    assert 5 <= row["age"] < 600
    assert row["unsaved"] == pytest.approx(MIB / 1000 * row["age"], rel=0.02)
    assert "job, rank 0: running, saved" in shown(root, capsys)


def test_nobody_can_lose_more_than_there_is(
    group: StateManagerGroup, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """However long ago the last save was, the state has no more bytes than it has."""
    save(group, 2)
    date_back(tmp_path / "store", {1: 7510, 2: 7500})

    row = listed(tmp_path / "store", capsys)
    assert 0.9 * MIB < row["unsaved"] < 1.1 * MIB
    assert "running, saved 2 h ago, about 1.0 MiB not saved" in shown(tmp_path / "store", capsys)


def test_one_checkpoint_tells_no_pace(
    group: StateManagerGroup, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is not known is null, and not said."""
    save(group)

    row = listed(tmp_path / "store", capsys)
    assert row["age"] is not None
    assert row["unsaved"] is None
    assert "not saved" not in shown(tmp_path / "store", capsys)


@pytest.mark.parametrize("last", ["exit", "signal:SIGTERM", "exception"])
def test_time_between_two_sessions_is_no_time_of_work(
    group: StateManagerGroup, tmp_path: Path, capsys: pytest.CaptureFixture[str], last: str
) -> None:
    """A session ended long ago: the pace is that of the one that runs, and not of the years between."""
    group.update("blob", b"")
    group._session.save_now(last)
    save(group, 2)
    date_back(tmp_path / "store", {1: 1e8, 2: 20, 3: 10})

    row = listed(tmp_path / "store", capsys)
    assert row["unsaved"] == pytest.approx(min(MIB / 10 * row["age"], MIB), rel=0.02)


def test_a_job_that_has_ended_is_listed_as_ever(
    group: StateManagerGroup, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It has nothing to lose, and nothing is said of it."""
    save(group, 2)
    group.close()

    row = listed(tmp_path / "store", capsys)
    assert (row["running"], row["age"], row["unsaved"]) == (False, None, None)
    assert "running" not in shown(tmp_path / "store", capsys)


def test_a_killed_process_does_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The lease that it leaves behind is a dead one's; while it lives, it is seen from here."""
    source = """
        import sys
        from lattice_addons import StateManagerGroup
        group = StateManagerGroup()
        group.register("n")
        group.update("n", 1)
        group.save()
        print("saved")
        sys.stdin.read()
    """
    program = Program(tmp_path, source)
    process = program.start()
    wait_for(process, "saved")
    assert listed(program.root, capsys)["running"] is True
    process.kill()
    process.communicate(timeout=60)
    assert (program.job / "rank-00000" / "lease.json").exists()
    assert listed(program.root, capsys)["running"] is False


def test_a_process_elsewhere_may_run(
    group: StateManagerGroup, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of another host it cannot be told: it is said so, and null in JSON."""
    save(group)
    lease = tmp_path / "store" / "job" / "rank-00000" / "lease.json"
    lease.write_text(json.dumps(json.loads(lease.read_text()) | {"host": "far", "boot_id": "other"}))
    assert listed(tmp_path / "store", capsys)["running"] is None
    assert "perhaps running, elsewhere, saved" in shown(tmp_path / "store", capsys)


def test_show_says_what_a_checkpoint_cost(
    group: StateManagerGroup, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """New and written bytes, seconds by stage, and how long the program stood still."""
    save(group, 2)

    text = shown(tmp_path / "store", capsys, "show")
    assert "saved: 1.0 MiB of values, 1.0 MiB new, 1.0 MiB written, in" in text
    for word in ("stood still", "write", "capture"):
        assert word in text


def test_show_says_no_cost_where_a_checkpoint_does_not(
    group: StateManagerGroup, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Checkpoints need not have metrics."""
    from dataclasses import replace

    save(group)
    line = Line(open_store(group._session.settings), "job", settings=group._session.settings)
    checkpoint = line.load(1)
    _write(line, replace(checkpoint, metrics={}), checkpoint.created)
    assert "saved:" not in shown(tmp_path / "store", capsys, "show")
