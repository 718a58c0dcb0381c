"""The commands say what is in a store, find damage, and clear a job."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lattice_addons import Settings, StateManagerGroup
from lattice_addons.cli import main

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a store with one job of three checkpoints."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "store"
    group = StateManagerGroup(Settings(root=str(folder), job_id="job", signals=()))
    for key, value in (("n", 0), ("blob", os.urandom(100_000)), ("[red]odd", {"a": [1.5, None]})):
        group.register(key)
        group.update(key, value)
    for n in range(3):
        group.update("n", n)
        group.save()
    group.close()
    return folder


def test_list_shows_the_jobs(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One row a job and rank, as a table and as JSON."""
    assert main(["list", "--root", str(root)]) == 0
    assert "job" in capsys.readouterr().out

    assert main(["list", "--root", str(root), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["job"], row["rank"], row["checkpoints"], row["newest"], row["slots"]) == ("job", 0, 3, 3, 3)


def test_show_tells_the_slots_and_their_values(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The newest checkpoint, an older one, and one slot's value."""
    assert main(["show", "--root", str(root), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["number"] == 3
    assert shown["slots"]["n"]["value"] == 2
    assert main(["show", "job", "--root", str(root), "--json", "--number", "1"]) == 0
    assert json.loads(capsys.readouterr().out)["slots"]["n"]["value"] == 0
    assert main(["show", "job", "[red]odd", "--root", str(root)]) == 0
    assert json.loads(capsys.readouterr().out) == {"a": [1.5, None]}
    assert main(["show", "job", "blob", "--root", str(root)]) == 0
    assert "bytes" in capsys.readouterr().out
    assert main(["show", "job", "--root", str(root)]) == 0
    assert "[red]odd" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["show", "other"], 66, "job"),
        (["show", "job", "nothing"], 66, "'blob'"),
        (["show", "job", "--number", "77"], 66, "77"),
        (["show", "job", "--rank", "5"], 66, "rank 5"),
        (["clear", "job"], 1, "--yes"),
    ],
)
def test_a_wrong_command_line_gets_one_clear_line(
    root: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, told: str
) -> None:
    """What is wrong, what there is, and a stable exit status."""
    assert main([*arguments, "--root", str(root)]) == status

    written = capsys.readouterr().err
    assert told in written
    assert written.count("\n") == 1


def test_no_store_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The commands make no store where there is none."""
    assert main(["list", "--root", str(tmp_path / "none")]) == 66
    assert "none" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_verify_finds_a_flipped_bit(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A good store gives 0; after a flip the slot and the checkpoints that have it are named."""
    assert main(["verify", "--root", str(root), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["damaged"] == []
    (pack,) = root.rglob("*.pack")
    damaged = bytearray(pack.read_bytes())
    damaged[5000] ^= 1
    pack.write_bytes(damaged)

    assert main(["verify", "--root", str(root), "--json"]) == 65
    rows = json.loads(capsys.readouterr().out)["damaged"]
    assert {row["slot"] for row in rows} == {"blob"}
    assert {row["checkpoint"] for row in rows} == {1, 2, 3}
    assert main(["verify", "--root", str(root)]) == 65
    assert "blob" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["a-foreign", "z-foreign"])
def test_a_foreign_folder_hides_no_job(root: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    """It is named on stderr, the jobs before and behind it are told of, and the status is that of the folder."""
    (root / name / "rank-00000").mkdir(parents=True)
    (root / name / "rank-00000" / "checkpoints").write_text("a file")

    assert main(["list", "--json", "--root", str(root)]) == 74
    told = capsys.readouterr()
    assert [row["job"] for row in json.loads(told.out)] == ["job"]
    assert told.err.startswith(f"lattice list: {name}: ")
    assert told.err.count("\n") == 1
    assert main(["list", "--root", str(root)]) == 74
    assert "job" in capsys.readouterr().out
    assert main(["verify", "--json", "--root", str(root)]) == 74
    told = capsys.readouterr()
    assert json.loads(told.out)["good"] == 9
    assert told.err.startswith(f"lattice verify: {name}, rank 0: ")
    assert main(["list", "job", "--root", str(root)]) == 0
    assert main(["verify", "job", "--root", str(root)]) == 0


def test_clear_removes_the_job(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Afterwards there is nothing to list."""
    assert main(["clear", "job", "--yes", "--root", str(root)]) == 0
    assert "3" in capsys.readouterr().out
    assert main(["list", "--json", "--root", str(root)]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_clear_leaves_a_job_that_is_being_written(root: Path) -> None:
    """A live writer is named, and its checkpoints stay."""
    group = StateManagerGroup(Settings(root=str(root), job_id="job", signals=()))
    try:
        assert main(["clear", "job", "--yes", "--root", str(root)]) == 75
    finally:
        group.close()
    assert len(list(root.rglob("checkpoints/*.json"))) == 3


def test_what_is_not_known_is_null(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A program that reads the JSON finds numbers or null, never a dash; people find the dash."""
    for manifest in root.rglob("checkpoints/*.json"):
        manifest.write_text("no manifest")

    assert main(["list", "--json", "--root", str(root)]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["newest"], row["created"], row["slots"], row["bytes"]) == (None, None, None, None)
    assert "damaged" in row["reason"]
    assert main(["list", "--root", str(root)]) == 0
    assert "–" in capsys.readouterr().out
    assert main(["verify", "--json", "--root", str(root)]) == 65
    assert {row["slot"] for row in json.loads(capsys.readouterr().out)["damaged"]} == {None}


def test_an_answer_that_cannot_be_written_is_one_line(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk behind stdout is no fault of the store's; a closed stdout wants no answer."""
    with open("/dev/full", "w") as full:
        monkeypatch.setattr("sys.stdout", full)
        assert main(["list", "--json", "--root", str(root)]) == 74
    assert "cannot write the answer" in capsys.readouterr().err

    monkeypatch.setattr("sys.stdout", None)
    assert main(["verify", "--root", str(root)]) == 0
    sys.stdout.close()


def test_show_tells_what_the_arrays_are_like(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Within a pickle, too, which is not opened; for people and for programs."""
    group = StateManagerGroup(Settings(root=str(tmp_path / "arrays"), job_id="job"))
    group.register("held")
    group.update("held", {"w": np.linspace(-1, 3, 4000), "odd": {1}})
    group.save()
    root = ["--root", str(tmp_path / "arrays")]
    assert main(["show", "job", *root]) == 0
    assert "float64, 4000" in capsys.readouterr().out
    assert main(["show", "job", "held", *root]) == 0
    shown = capsys.readouterr().out
    assert "['w']" in shown
    assert "█" in shown
    assert main(["show", "job", "held", *root, "--json"]) == 0
    (array,) = json.loads(capsys.readouterr().out)["arrays"]
    assert (array["path"], array["shape"], array["nonfinite"]) == ("['w']", [4000], 0)
    assert -1 <= array["min"] < -0.9 < 2.9 < array["max"] <= 3
