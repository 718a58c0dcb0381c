"""What a shell is answered when it asks how a line can go on."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from lattice_addons import Settings, StateManagerGroup
from lattice_addons.cli import main
from tests.patient import LATTICE
from tests.program import clean_environ

if TYPE_CHECKING:
    from pathlib import Path


def asked(line: str, folder: Path) -> list[str]:
    """Ask as bash does: by environment variables, the answer on descriptor 8."""
    reading, writing = os.pipe()
    script = 'exec 8>&"$ANSWER"; exec "$@" >/dev/null 2>&1'
    environ = clean_environ(
        COMP_LINE=line, COMP_POINT=str(len(line)), COMP_TYPE="9", _ARGCOMPLETE="1", ANSWER=str(writing)
    )
    command = ["bash", "-c", script, "bash", sys.executable, "-c", LATTICE]
    subprocess.run(command, env=environ, pass_fds=[writing], cwd=folder, timeout=150, check=False)
    os.close(writing)
    with os.fdopen(reading) as answer:
        return [word.strip() for word in answer.read().split("\x0b") if word.strip()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder whose store has two jobs."""
    folder = tmp_path_factory.mktemp("completion")
    for job in ("alpha", "beta"):
        group = StateManagerGroup(Settings(root=str(folder / ".lattice"), job_id=job, signals=()))
        group.register(f"slot of {job}")
        group.update(f"slot of {job}", 1)
        group.save()
        group.close()
    return folder


# What Python's argparse has to do with it, the first two lines show.
OTHERS: list[tuple[str, set[str]]] = [
    ("lattice log a", {"alpha"}),
    ("lattice edit b", {"beta"}),
    ("lattice rollback be", {"beta"}),
    ("lattice verify --js", {"--json"}),
    ("lattice completion ", {"bash", "zsh", "fish"}),
    ("lattice token cre", {"create"}),
]


@pytest.mark.parametrize(
    ("line", "there"),
    [
        ("lattice rol", {"rollback"}),
        ("lattice log ", {"alpha", "beta"}),
        *(pytest.param(*each, marks=pytest.mark.one_python) for each in OTHERS),
    ],
)
def test_lines_go_on(line: str, there: set[str], folder: Path) -> None:
    """Commands, their own commands, options and the names of jobs."""
    answer = set(asked(line, folder))
    assert there <= answer, answer
    begun = line.rpartition(" ")[2]
    assert all(word.startswith(begun) for word in answer)


def test_slots_of_the_job_that_is_named(folder: Path) -> None:
    """They are quoted where a shell needs it."""
    assert any("slot" in word and "alpha" in word for word in asked("lattice show alpha s", folder))


def test_where_no_store_is_nothing_is_said(tmp_path: Path) -> None:
    """Neither an error in the middle of somebody's line, nor a folder."""
    assert not [word for word in asked("lattice log a", tmp_path) if not word.startswith("-")]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It names the command."""
    assert main(["completion", shell]) == 0
    told = capsys.readouterr().out
    assert "lattice" in told
    assert told.endswith("\n")
