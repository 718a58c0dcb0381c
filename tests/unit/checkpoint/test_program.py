"""The git commit is read from git's own files."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from lattice_addons.checkpoint._program import _commit, program
from tests.program import clean_environ

if TYPE_CHECKING:
    from pathlib import Path


def git(folder: Path, *words: str) -> str:
    """Run git."""
    command = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def commit_of(folder: Path) -> str | None:
    """Ask anew: the answer for the program's own folder is remembered."""
    _commit.cache_clear()
    try:
        return _commit(str(folder))
    finally:
        _commit.cache_clear()


def test_the_commit_is_what_git_says(tmp_path: Path) -> None:
    """On a branch, detached, packed, in a folder below and in a worktree."""
    repository = tmp_path / "repository"
    repository.mkdir()
    git(repository, "init", "-q")
    assert commit_of(repository) is None
    git(repository, "commit", "-q", "--allow-empty", "-m", "one")
    head = git(repository, "rev-parse", "HEAD")
    (repository / "below").mkdir()
    assert commit_of(repository / "below") == head
    git(repository, "pack-refs", "--all")
    assert commit_of(repository) == head
    git(repository, "worktree", "add", "-q", "-b", "other", str(tmp_path / "tree"))
    git(tmp_path / "tree", "commit", "-q", "--allow-empty", "-m", "two")
    assert commit_of(tmp_path / "tree") == git(tmp_path / "tree", "rev-parse", "HEAD") != head
    git(repository, "checkout", "-q", "--detach")
    assert commit_of(repository) == head


@pytest.mark.parametrize("text", ["", "ref: refs/heads/none", "gitdir: ../nowhere", "\0\0"])
def test_a_broken_repository_says_nothing(tmp_path: Path, text: str) -> None:
    """It must not stop a save."""
    (tmp_path / ".git").write_text(text)
    assert commit_of(tmp_path) is None


_ELSEWHERE = """
import os, shutil, sys
from lattice_addons.checkpoint import Fresh, Line
from lattice_addons.encoding import encode
from lattice_addons.settings import Settings
from lattice_addons.storage import LocalStore
line = Line(LocalStore(sys.argv[1]), "job", settings=Settings())
os.chdir("elsewhere")
if sys.argv[2] == "removed":
    shutil.rmtree(os.getcwd())
made = line.commit({"slot": Fresh("reference", encode(1))}, parent=None, reason="manual")
print(made.program["commit"])
"""


@pytest.mark.parametrize(
    "left",
    ["there", pytest.param("removed", marks=pytest.mark.skipif(os.name == "nt", reason="it is in use"))],
)
def test_a_program_may_leave_the_folder_it_was_started_in(tmp_path: Path, left: str) -> None:
    """Its save says where it lies, and not where it is; that need not be there any more."""
    repository = tmp_path / "repository"
    repository.mkdir()
    git(repository, "init", "-q")
    git(repository, "commit", "-q", "--allow-empty", "-m", "one")
    (repository / "program.py").write_text(_ELSEWHERE)
    # Of another commit, which would be the wrong one.
    git(repository, "init", "-q", "elsewhere")
    git(repository / "elsewhere", "commit", "-q", "--allow-empty", "-m", "two")
    command = [sys.executable, "program.py", str(tmp_path / "store"), left]
    done = subprocess.run(
        command, cwd=repository, env=clean_environ(), capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.stderr) == (git(repository, "rev-parse", "HEAD"), "")


def test_what_is_typed_in_lies_where_it_was_begun(tmp_path: Path) -> None:
    """Not one folder above."""
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "one")
    # As it is at the prompt.
    source = "import sys; sys.argv = ['']; from lattice_addons.checkpoint._program import program"
    command = [sys.executable, "-c", f"{source}; print(program()['commit'])"]
    done = subprocess.run(
        command, cwd=tmp_path, env=clean_environ(), capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.stderr) == (git(tmp_path, "rev-parse", "HEAD"), "")


def test_odd_arguments_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file name that is not UTF-8 is shown with escapes; a process without arguments has none."""
    monkeypatch.setattr("sys.argv", ["\udcff", "x" * 5000])
    argv = program()["argv"]
    assert isinstance(argv, list)
    assert argv[0] == "\\udcff"
    assert len(argv[1]) < 5000
    monkeypatch.setattr("sys.argv", [])
    assert program()["argv"] == []
