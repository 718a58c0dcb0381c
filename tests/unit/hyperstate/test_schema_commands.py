"""``lattice schedule``, ``schema`` and ``config``, on files of a real program."""

from __future__ import annotations

import json
import struct
import zlib
from typing import TYPE_CHECKING

import pytest

from lattice_addons.cli import main

if TYPE_CHECKING:
    from pathlib import Path

OLD = """\
from __future__ import annotations
from dataclasses import dataclass, field

@dataclass
class Optimizer:
    lr: float = 0.1

@dataclass
class Config:
    steps: int
    optimizer: Optimizer = field(default_factory=Optimizer)
    seed: int = 0
"""
NEW = """\
from __future__ import annotations
from dataclasses import dataclass, field
from lattice_addons.hyperstate import AddField, MapValue, RenameField, Versioned

@dataclass
class Optimizer:
    learning_rate: float = 0.1

@dataclass
class Config(Versioned):
    steps: int
    batch: int
    optimizer: Optimizer = field(default_factory=Optimizer)

    @classmethod
    def version(cls):
        return 1

    @classmethod
    def upgrade_rules(cls):
        return {0: [%s]}
"""
RULES = "RenameField('optimizer.lr', 'optimizer.learning_rate'), AddField('batch', 32), DeleteField('seed')"
YAML = """\
# The run of May.
steps: 100  # enough

optimizer:
    # Tried 0.1 as well.
    lr: 5e-2   # small
seed: 1
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with a program before and after a change."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old.py").write_text(OLD)
    (tmp_path / "unruled.py").write_text(NEW % "")
    (tmp_path / "ruled.py").write_text(NEW.replace("AddField,", "AddField, DeleteField,") % RULES)
    return tmp_path


def test_a_change_is_caught_and_led_on(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Dump, change the code, check fails and proposes the rules, and with them it passes."""
    assert main(["schema", "dump", "old.py:Config", "schema.yaml"]) == 0
    assert main(["schema", "dump", "old.py:Config"]) == 0
    assert capsys.readouterr().out == (folder / "schema.yaml").read_text()
    assert main(["schema", "check", "old.py:Config", "schema.yaml"]) == 0
    assert "no difference" in capsys.readouterr().out
    assert main(["schema", "check", "unruled.py:Config", "schema.yaml"]) == 65
    out = capsys.readouterr().out
    assert "breaks         optimizer.lr  is gone (was float)" in out
    assert "RenameField('optimizer.lr', 'optimizer.learning_rate')," in out
    assert "AddField('batch', ...),  # what older files get" in out
    assert "return 1" in out
    before = (folder / "schema.yaml").read_text()
    assert main(["schema", "upgrade", "unruled.py:Config", "schema.yaml"]) == 65
    capsys.readouterr()
    assert main(["schema", "check", "ruled.py:Config", "schema.yaml", "--strict"]) == 0
    assert "has a rule     optimizer.lr  is gone" in capsys.readouterr().out
    assert main(["schema", "check", "ruled.py:Config", "schema.yaml", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["breaks"] is False
    assert main(["schema", "upgrade", "ruled.py:Config", "schema.yaml", "--dry-run"]) == 0
    assert "+version: 1" in capsys.readouterr().out
    assert (folder / "schema.yaml").read_text() == before
    assert main(["schema", "upgrade", "ruled.py:Config", "schema.yaml"]) == 0
    assert (folder / "schema.yaml").read_text() != before


def test_files_are_upgraded_with_their_comments(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """First as a diff; then in place; then there is nothing more to do."""
    (folder / "a.yaml").write_text(YAML)
    (folder / "b.ron").write_text("Config(steps: 1, optimizer: (lr: 0.5))")
    (folder / "c.json").write_text('{"steps": 1}')
    (folder / "d.toml").write_text("steps = 1\n[optimizer]\nlr = 0.5\n")
    command = ["config", "upgrade", "a.yaml", "b.ron", "c.json", "d.toml", "--class", "ruled.py:Config"]
    assert main([*command, "--dry-run"]) == 0
    diff = capsys.readouterr().out
    assert "-    lr: 5e-2   # small\n" in diff
    assert "+    learning_rate: 5e-2   # small\n" in diff
    assert "-seed: 1\n" in diff
    assert (folder / "a.yaml").read_text() == YAML
    assert main(command) == 0
    assert "a.yaml: version 0 → 1" in capsys.readouterr().out
    text = (folder / "a.yaml").read_text()
    for comment in ("# The run of May.", "# enough", "# Tried 0.1 as well.", "# small"):
        assert comment in text
    assert "    # Tried 0.1 as well.\n    learning_rate: 5e-2" in text
    assert "batch: 32" in text
    assert "seed" not in text
    assert json.loads((folder / "c.json").read_text()) == {"version": 1, "steps": 1, "batch": 32}
    assert "learning_rate: 0.5" in (folder / "b.ron").read_text()
    assert main(command) == 0
    assert capsys.readouterr().out.count("is of version 1 already") == 4
    assert (folder / "a.yaml").read_text() == text


def test_a_bad_file_does_not_stop_the_others(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It stays as it is, and is told; the status is its own."""
    (folder / "bad.yaml").write_text("steps: many\n")
    (folder / "newer.yaml").write_text("version: 7\nsteps: 1\n")
    (folder / "list.yaml").write_text("- 1\n")
    (folder / "good.yaml").write_text("steps: 1\n")
    current = "Config(version: 1, steps: 1, batch: 2) // as it is"
    (folder / "current.ron").write_text(current)
    assert main(["config", "upgrade", "current.ron", "--class", "ruled.py:Config"]) == 0
    assert (folder / "current.ron").read_text() == current
    files = ["bad.yaml", "newer.yaml", "list.yaml", "gone.yaml", "good.yaml"]
    assert main(["config", "upgrade", *files, "--class", "ruled.py:Config"]) == 65
    captured = capsys.readouterr()
    assert "steps: expected an int, found 'many'" in captured.err
    assert "newer.yaml: the file is of version 7" in captured.err
    assert "list.yaml: the whole file is no mapping" in captured.err
    assert "gone.yaml" in captured.err
    assert (folder / "bad.yaml").read_text() == "steps: many\n"
    assert (folder / "good.yaml").read_text() == "version: 1\nsteps: 1\nbatch: 32\n"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("old.py", "names no class"),
        ("old.py:Confog", "did you mean 'Config'"),
        ("gone.py:Config", "cannot be imported"),
        ("no.such.module:Config", "cannot be imported"),
        ("broken.py:Config", "ZeroDivisionError"),
        ("leaves.py:Config", "SystemExit"),
        ("old.py:field", "no dataclass"),
    ],
)
def test_classes_that_are_not_there(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str, says: str
) -> None:
    """One line says what to do."""
    (folder / "broken.py").write_text("1 / 0")
    (folder / "leaves.py").write_text("raise SystemExit(3)")
    assert main(["schema", "dump", name]) == 65
    assert says in capsys.readouterr().err


def test_no_schema_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a file, and with one of another kind."""
    (folder / "c.yaml").write_text("steps: 1")
    assert main(["schema", "check", "old.py:Config"]) == 65
    assert main(["schema", "check", "old.py:Config", "c.yaml"]) == 65
    assert main(["schema", "check", "old.py:Config", "gone.yaml"]) == 66
    assert "c.yaml is no schema" in capsys.readouterr().err


SCHEDULES = """\
lr: "step: 1.0@0 lin 0.5@5 cos 0.1@10"
name: me@home
deep: [{er: {rate: {by: progress.epoch, knots: [{at: 2, value: 3}]}}}]
"""


def test_schedules_are_drawn(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As text of dots or of ASCII, as JSON, and as a picture that is a PNG."""
    (folder / "c.yaml").write_text(SCHEDULES)
    assert main(["schedule", "c.yaml", "--png", "c.png"]) == 0
    out = capsys.readouterr().out
    assert "lr: step: 1.0@0 lin 0.5@5 cos 0.1@10" in out
    assert "deep[0].er.rate: progress.epoch: 3@2" in out
    assert "me@home" not in out
    assert main(["schedule", "c.yaml", "--ascii"]) == 0
    drawing = capsys.readouterr().out
    assert drawing.isascii()
    lines = drawing.splitlines()
    assert lines[2].startswith("  1 |*")
    assert lines[11].startswith("0.1 |")
    assert lines[11].endswith("*")
    assert main(["schedule", "c.yaml", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["lr"]["knots"][2] == {"at": 10, "value": 0.1, "curve": "cos"}
    width, height, pixels = picture((folder / "c.png").read_bytes())
    assert (width, height) == (640, 440)
    blue = bytes((31, 98, 180))
    columns = {x for y in range(height // 2) for x in range(width) if pixels[y][3 * x : 3 * x + 3] == blue}
    assert columns == set(range(91, 621))


def picture(data: bytes) -> tuple[int, int, list[bytes]]:
    """Read a PNG as its standard says."""
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    at, chunks = 8, {}
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", data, at + 8 + length) == (zlib.crc32(kind + body),)
        chunks[kind] = body
        at += 12 + length
    width, height, *rest = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert rest == [8, 2, 0, 0, 0]
    rows, stride = zlib.decompress(chunks[b"IDAT"]), 3 * width + 1
    assert len(rows) == stride * height
    return width, height, [rows[y * stride + 1 : (y + 1) * stride] for y in range(height)]


def test_nothing_to_draw(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is said; a schedule that is wrong is named, and no picture can go where none can be."""
    (folder / "c.yaml").write_text("lr: 1")
    assert main(["schedule", "c.yaml", "--png", "c.png"]) == 0
    assert "no field has a schedule" in capsys.readouterr().out
    assert not (folder / "c.png").exists()
    (folder / "c.yaml").write_text("a: {b: {knots: []}}")
    assert main(["schedule", "c.yaml"]) == 65
    assert "a.b: " in capsys.readouterr().err
    (folder / "c.yaml").write_text(SCHEDULES)
    assert main(["schedule", "c.yaml", "--png", "no/such/c.png"]) == 66
    assert main(["schedule", "c.txt"]) == 66
