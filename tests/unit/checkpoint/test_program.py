"""The git commit is read from git's own files."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from lattice_addons.checkpoint._program import _commit, program

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


def test_odd_arguments_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file name that is not UTF-8 is shown with escapes; a process without arguments has none."""
    monkeypatch.setattr("sys.argv", ["\udcff", "x" * 5000])
    argv = program()["argv"]
    assert isinstance(argv, list)
    assert argv[0] == "\\udcff"
    assert len(argv[1]) < 5000
    monkeypatch.setattr("sys.argv", [])
    assert program()["argv"] == []
