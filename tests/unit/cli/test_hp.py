"""``lattice hp``: lists, saves, compares and checks source without running it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from lattice_addons.cli import main

if TYPE_CHECKING:
    from pathlib import Path

TWICE = "'width' has a default here, and another one elsewhere: let one place declare it"
HEAD = "from lattice_addons.hyperparams.m import _\nraise SystemExit('it was run')\n"


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder of source, and work in it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "src"
    folder.mkdir()
    (folder / "model.py").write_text(HEAD + 'x = _("width", 128)\ny = _("opt.lr", 0.1)\n')
    return folder


def test_list_shows_what_is_declared(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In each form, and as records."""
    assert main(["hp", "src"]) == 0
    assert 'x = _("width", 128)' in capsys.readouterr().out
    assert main(["hp", "src", "--form", "table", "list"]) == 0
    assert "src/model.py:3" in capsys.readouterr().out
    assert main(["hp", "list", "src", "--form", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"width": 128, "opt": {"lr": 0.1}}
    assert main(["hp", "src", "--json"]) == 0
    assert [each["line"] for each in json.loads(capsys.readouterr().out)] == [3, 4]
    (tree / "other.py").write_text("from lattice_addons.hyperparams.m import hp\nhp('other', 1)")
    (tree / "alike.py").write_text("hp('alike', 1)")
    assert main(["hp", "src", "--placeholder", "hp", "list", "--form", "yaml"]) == 0
    assert capsys.readouterr().out == "other: 1\n"
    assert main(["hp", "src", "--placeholder", "hp", "--take-all", "--no-cache", "--form", "yaml"]) == 0
    assert capsys.readouterr().out == "alike: 1\nother: 1\n"


def test_save_and_diff(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Against a file of values, and against other source."""
    assert main(["hp", "src", "save", "v.yaml"]) == 0
    assert (tree.parent / "v.yaml").read_text() == "width: 128\nopt:\n  lr: 0.1\n"
    assert main(["hp", "src", "diff", "v.yaml"]) == 0
    assert "no difference" in capsys.readouterr().out
    (tree.parent / "v.yaml").write_text("width: 256\ngone: 1\n")
    assert main(["hp", "src", "diff", "v.yaml", "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == [
        {"name": "gone", "here": None, "v.yaml": "1"},
        {"name": "width", "here": "128", "v.yaml": "256"},
    ]
    (tree.parent / "other.py").write_text(HEAD + '_("width", 64)')
    assert main(["hp", "src", "diff", "other.py"]) == 1
    assert "64" in capsys.readouterr().out


def test_check_finds_everything_at_once(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Duplicates, names that nobody reads, and all that is wrong; a good tree is 0."""
    assert main(["hp", "src", "check"]) == 0
    assert capsys.readouterr().out == ""
    (tree / "bad.py").write_text(
        HEAD
        + '_("never", 1)\nx = _("width", 128)\n_.set_value("unread", 1)\n_.set_values({"a": 1, "width": 2})\n'
        "_(f(), 1)\n_.set_value('late', 1)\nprint(_.get_value('late'))\n"
    )
    (tree / "worse.py").write_text(HEAD + "x = (")
    assert main(["hp", "check", "src", "--json"]) == 65
    told = [each.splitlines()[0] for each in json.loads(capsys.readouterr().out)]
    assert told == [
        "src/bad.py, line 3, column 1: 'never' is declared here, and nobody reads it",
        "src/bad.py, line 5, column 13: 'unread' is set here, and nobody reads it",
        "src/bad.py, line 6, column 15: 'a' is set here, and nobody reads it",
        "src/bad.py, line 7, column 3: the name of a hyper-parameter is a literal string, and not f()",
        f"src/model.py, line 3, column 5: {TWICE}",
        "src/worse.py, line 3, column 5: this is no Python: '(' was never closed",
    ]
    assert main(["hp", "src", "check"]) == 65
    assert "==> 3: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (["nowhere"], 66, "nowhere"),
        (["src", "save"], 64, "save FILE"),
        (["check"], 64, "./check"),
        (["src", "save", "v.toml"], 64, ".yaml"),
        (["src", "diff", "v.yaml"], 66, "v.yaml"),
        (["src", "--placeholder", "a b"], 64, "identifier"),
    ],
)
def test_mistakes_have_a_status(
    tree: Path, capsys: pytest.CaptureFixture[str], words: list[str], status: int, told: str
) -> None:
    """And say what helps."""
    assert tree.exists()
    assert main(["hp", *words]) == status
    assert told in capsys.readouterr().err
