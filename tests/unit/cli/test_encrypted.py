"""The commands work with the key in the environment; without it they say so, and change nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from lattice_addons import Settings, StateManagerGroup
from lattice_addons.cli import main

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "a secret that is long enough"  # noqa: S105 - a key for tests
OTHER = "another secret, of some length"
KEY = "LATTICE_ENCRYPTION_KEY"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an encrypted store with two checkpoints and go there; the key is set."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(KEY, SECRET)
    monkeypatch.setenv("LATTICE_CHECKPOINT_CONFIG", "root=store")
    group = StateManagerGroup(
        Settings(root="store", job_id="job", signals=(), encryption_key=SECRET.encode())
    )
    group.register("long")
    for n in range(2):
        group.update("long", f"{n} and more " * 9000)
        group.save()
    group.close()
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> object:
    """Give what a command answers in JSON."""
    capsys.readouterr()
    assert main([*arguments, "--json"]) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


def everything(folder: Path) -> dict[str, bytes]:
    """Give all files of the store, but for the lease."""
    paths = (path for path in (folder / "store").rglob("*") if path.is_file() and path.name != "lease.json")
    return {str(path): path.read_bytes() for path in paths}


def test_with_the_key_the_commands_are_as_ever(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each of them."""
    assert told(capsys, "list")[0]["newest"] == 2  # type: ignore[index]
    assert [row["number"] for row in told(capsys, "log", "job")] == [2, 1]  # type: ignore[attr-defined]
    assert told(capsys, "diff", "job", "1", "2")[0]["slot"] == "long"  # type: ignore[index]
    assert told(capsys, "show", "job", "long")["value"] == "1 and more " * 9000  # type: ignore[index]
    assert told(capsys, "verify") == {"good": 2, "damaged": []}
    assert told(capsys, "keep", "job", "1", "--name", "first")["name"] == "first"  # type: ignore[index]
    assert told(capsys, "keep", "job")[0]["name"] == "first"  # type: ignore[index]
    assert told(capsys, "repair", "job", "--dry-run") is not None
    assert main(["prune", "job", "--keep", "1"]) == 0
    assert main(["export", "job", "out.tar"]) == 0
    assert b"and more" not in (folder / "out.tar").read_bytes()
    assert main(["import", "out.tar", "--job", "copy"]) == 0
    assert not any(b"and more" in data or b"first" in data for data in everything(folder).values())


@pytest.mark.parametrize("secret", [None, OTHER], ids=["no key", "another key"])
def test_without_the_key_a_command_says_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], secret: str | None
) -> None:
    """One line, a status of its own, and no byte of the store is another one."""
    assert main(["export", "job", "in.tar"]) == 0
    before = everything(folder)
    capsys.readouterr()
    monkeypatch.delenv(KEY)
    if secret is not None:
        monkeypatch.setenv(KEY, secret)
    for command in (
        "log job", "diff job 1 2", "show job", "show job long", "verify", "keep job 1 --name first", "repair job",
        "repair job --dry-run", "prune job --keep 1", "prune job --dry-run", "export job out.tar", "import in.tar",
    ):  # fmt: skip
        assert main(command.split()) == 77, command
        err = capsys.readouterr().err
        assert err.count("\n") == 1, command
        assert KEY in err, command
        assert everything(folder) == before, command
        assert not (folder / "out.tar").exists(), command


def test_list_shows_what_can_be_shown(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Which jobs there are, how many checkpoints, and the number of the newest; others are as ever."""
    assert folder.is_dir()
    monkeypatch.delenv(KEY)
    group = StateManagerGroup(Settings(root="store", job_id="open", signals=()))
    group.register("n")
    group.update("n", 1)
    group.save()
    group.close()
    rows = told(capsys, "list")
    assert isinstance(rows, list)
    assert [(row["job"], row["checkpoints"], row["newest"], row["slots"]) for row in rows] == [
        ("job", 2, 2, None),
        ("open", 1, 1, 1),
    ]
    assert KEY in rows[0]["reason"]


def test_an_encrypted_job_can_be_cleared(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To remove it nothing need be read."""
    monkeypatch.delenv(KEY)
    assert main(["clear", "job", "--yes"]) == 0
    assert not [path for path in everything(folder) if "/job/" in path]


def test_a_key_is_changed_by_way_of_a_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the documentation says."""
    (folder / "old.key").write_text(SECRET + "\n")
    (folder / "old.key").chmod(0o600)
    assert main(["export", "job", "train.tar"]) == 0
    assert main(["clear", "job", "--yes"]) == 0
    monkeypatch.setenv(KEY, OTHER)
    assert main(["import", "train.tar"]) == 77
    assert main(["import", "train.tar", "--encryption-key-file", "old.key"]) == 0
    assert told(capsys, "show", "job", "long")["value"] == "1 and more " * 9000  # type: ignore[index]
    monkeypatch.setenv(KEY, SECRET)
    assert main(["show", "job"]) == 77
