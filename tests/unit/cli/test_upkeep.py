"""The commands that keep, prune and repair."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from lattice_addons import Settings, StateManagerGroup
from lattice_addons.cli import main

if TYPE_CHECKING:
    from pathlib import Path


def begin(root: Path, **settings: object) -> StateManagerGroup:
    """Start the job's next session."""
    given = {"root": str(root), "job_id": "job", "signals": (), **settings}
    group = StateManagerGroup(Settings(**given))  # type: ignore[arg-type]
    for key in ("n", "blob"):
        group.register(key)
    return group


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a store with one job of five checkpoints."""
    monkeypatch.chdir(tmp_path)
    group = begin(tmp_path / "store", keep=10)
    for n in range(5):
        group.update("n", n)
        group.update("blob", bytes([n]) * 100_000 + b"end")
        group.save()
    group.close()
    return tmp_path / "store"


def ask(capsys: pytest.CaptureFixture[str], root: Path, *arguments: str, status: int = 0) -> object:
    """Run a command that answers in JSON."""
    assert main([*arguments, "--json", "--root", str(root)]) == status
    return json.loads(capsys.readouterr().out)


def test_a_kept_checkpoint_outlives_the_others(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is listed with its name, until that is taken off."""
    told = ask(capsys, root, "keep", "job", "2", "--name", "before lr change")
    assert told == {"job": "job", "rank": 0, "checkpoint": 2, "name": "before lr change"}
    pruned = ask(capsys, root, "prune", "job", "--keep", "1")
    assert isinstance(pruned, list)
    assert (pruned[0]["goes"], pruned[0]["stays"]) == ([1, 3, 4], [2, 5])
    row = ask(capsys, root, "keep", "job")[0]  # type: ignore[index]
    assert (row["checkpoint"], row["name"], row["created"][:2]) == (2, "before lr change", "20")
    assert main(["keep", "job", "--root", str(root)]) == 0
    assert "before lr change" in capsys.readouterr().out
    assert main(["keep", "job", "2", "--drop", "--root", str(root)]) == 0
    assert "no longer" in capsys.readouterr().out
    assert ask(capsys, root, "keep", "job") == []
    assert ask(capsys, root, "prune", "--keep", "1")[0]["goes"] == [2]  # type: ignore[index]


def test_a_dry_run_says_what_goes_and_how_much(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And what then goes is that; a program that runs is not disturbed by the one, and refuses the other."""
    files = sorted(root.rglob("*"))
    told = ask(capsys, root, "prune", "--dry-run", "--keep", "2")
    assert sorted(root.rglob("*")) == files
    group = begin(root, keep=10)
    assert ask(capsys, root, "prune", "--dry-run", "--keep", "2") == told
    assert main(["prune", "--keep", "2", "--root", str(root)]) == 75
    assert "is written by process" in capsys.readouterr().err
    group.close()
    assert main(["prune", "--keep", "2", "--root", str(root)]) == 0
    text = capsys.readouterr().out
    assert "gone: 1, 2, 3; 2 stay" in text
    assert "3 packs" in text
    assert ask(capsys, root, "prune", "--dry-run", "--keep", "2")[0]["bytes"] == 0  # type: ignore[index]


def test_one_is_told_of_as_one(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of packs, checkpoints and jobs alike."""
    told = []
    for command in (("prune", "--keep", "4"), ("prune", "--keep", "1"), ("doctor",), ("clear", "--yes")):
        assert main([*command, "--root", str(root)]) == 0
        told.append(capsys.readouterr().out)
    assert "gone: 1; 4 stay; 1 pack, " in told[0]
    assert "gone: 2, 3, 4; 1 stays; 3 packs, " in told[1]
    assert "1 job, 1 checkpoint; " in told[2]
    assert told[3] == "removed 1 checkpoint of job 'job'\n"


@pytest.mark.parametrize("command", [("prune", "--keep", "1"), ("repair",)])
def test_all_ranks_are_free_or_none_is_touched(
    root: Path, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A rank that is being written refuses the command before the ranks in front of it are changed."""
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    group = begin(root, keep=10)
    group.update("n", 1)
    group.save()
    damaged = root / "job" / "rank-00000" / "checkpoints" / "000000000002.json"
    damaged.write_bytes(b"{}")
    files = sorted(root.rglob("*"))
    assert main([*command, "--root", str(root)]) == 75
    assert sorted(root.rglob("*")) == files
    group.close()
    assert main([*command, "--root", str(root)]) == 0
    assert not damaged.exists()
    capsys.readouterr()


def test_repair_says_what_became_of_what(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A lost slot is a status; a manifest is put aside; twice, there is nothing more to do but what is lost."""
    assert main(["repair", "--root", str(root)]) == 0
    assert "nothing is damaged" in capsys.readouterr().out
    manifest = root / "job/rank-00000/checkpoints/000000000003.json"
    manifest.write_bytes(manifest.read_bytes()[:-5])
    told = ask(capsys, root, "repair", "--dry-run")
    assert isinstance(told, dict)
    assert [(row["checkpoint"], row["slot"], row["outcome"]) for row in told["findings"]] == [
        (3, None, "quarantined")
    ]
    assert manifest.exists()
    assert main(["repair", "--root", str(root)]) == 0
    assert "quarantined" in capsys.readouterr().out
    assert not manifest.exists()
    assert (root / "job/rank-00000/quarantine/000000000003.json").exists()
    for pack in (root / "job/rank-00000/packs").iterdir():
        data = bytearray(pack.read_bytes())
        if data:
            data[len(data) // 2] ^= 1
            pack.write_bytes(data)
    told = ask(capsys, root, "repair", "job", status=65)
    assert isinstance(told, dict)
    assert {(row["slot"], row["outcome"]) for row in told["findings"]} == {("blob", "lost")}


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["keep", "job", "77"], 66, "no checkpoint 77"),
        (["keep", "job", "99999999999999999999"], 66, "no checkpoint 99999999999999999999"),
        (["keep", "job", "99999999999999999999", "--drop"], 66, "no checkpoint 99999999999999999999"),
        (["keep", "job", "--drop"], 2, "--drop needs N"),
        (["keep", "job", "1", "--drop"], 66, "has no name"),
        (["keep", "job", "1", "--name", " "], 64, "is no name"),
        (["keep", "job", "1", "--rank", "5"], 66, "no rank 5"),
        (["prune", "job", "--keep", "0"], 64, "keep"),
        (["repair", "other"], 66, "no job"),
    ],
)
def test_what_cannot_be_is_one_clear_line(
    root: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, says: str
) -> None:
    """What is wrong, and a stable exit status."""
    assert main([*arguments, "--root", str(root)]) == status
    written = capsys.readouterr().err
    assert says in written
    assert written.count("\n") == 1
