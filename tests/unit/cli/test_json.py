"""What commands that read files, spools and classes answer to programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from lattice_addons import Settings, StateManagerGroup
from lattice_addons.cli import main

if TYPE_CHECKING:
    from pathlib import Path

CLASS = """
from dataclasses import dataclass

from lattice_addons.hyperstate import RenameField, Versioned


@dataclass
class Config(Versioned):
    lr: float = 0.1

    @classmethod
    def version(cls):
        return 1

    @classmethod
    def upgrade_rules(cls):
        return {0: [RenameField("rate", "lr")]}
"""


def ask(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> Any:
    """Run a command that answers in JSON, and in nothing else."""
    assert main([*words, "--json"]) == status
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with a class and a config."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(CLASS)
    (tmp_path / "old.yaml").write_text("rate: 0.2  # good\n")
    return tmp_path


def test_config_says_what_changed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of each file, also of one that cannot be upgraded, which does not keep the others from it."""
    (folder / "bad.yaml").write_text("lr: 0.1\nversion: 7\n")
    words = ("config", "upgrade", "bad.yaml", "old.yaml", "--class", "train.py:Config")
    bad, good = ask(capsys, *words, status=65)
    assert (bad["file"], bad["diff"]) == ("bad.yaml", None)
    assert "7" in bad["error"]
    assert (good["older"], good["newer"], good["error"]) == (0, 1, None)
    assert "+lr: 0.2  # good" in good["diff"]


def test_schema_gives_its_text(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Printed or written, what has changed since, and what would be written."""
    told = ask(capsys, "schema", "dump", "train.py:Config", "schema.yaml")
    assert told["file"] == "schema.yaml"
    assert "lr" in told["schema"]
    assert ask(capsys, "schema", "check", "train.py:Config", "schema.yaml")["breaks"] is False
    (folder / "train.py").write_text(CLASS.replace("0.1", "0.25"))
    words = ("schema", "upgrade", "train.py:Config", "schema.yaml", "--dry-run")
    assert "default: 0.25" in ask(capsys, *words)["diff"]


@pytest.mark.one_python
def test_upload_says_what_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without sending it; when it is there, nothing waits."""
    config = f"root=file://{tmp_path}/bucket,spool={tmp_path}/spool,linger=0"
    monkeypatch.setenv("LATTICE_CHECKPOINT_TYPE", "fsspec")
    monkeypatch.setenv("LATTICE_CHECKPOINT_CONFIG", config)
    group = StateManagerGroup(Settings.from_environ())
    group.register("n")
    group.update("n", 1)
    group.save()
    group.close()
    assert ask(capsys, "upload")[0]["left"] == []
    (row,) = ask(capsys, "upload", "--status")
    assert (row["store"], row["left"]) == (f"file://{tmp_path}/bucket", [])
