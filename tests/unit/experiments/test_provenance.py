"""Each start of a runner records with what its runs can be repeated."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from lattice_addons.experiments import Experiment, Place, _provenance, provenance_of
from lattice_addons.experiments._provenance import provenance
from tests.program import clean_environ

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = """
from lattice_addons.experiments import Experiment, search

class InGit(Experiment):
    n: int = search(1, 2)
    def run(self):
        return {"n": self.n}
"""


class Plain(Experiment):
    """An experiment of this module."""

    n: int = 1

    def run(self) -> Any:
        """Give what it has."""
        return {"n": self.n}


def git(folder: Path, *arguments: str) -> None:
    """Run git there, as somebody."""
    subprocess.run(
        ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", *arguments],
        cwd=folder,
        env=clean_environ(HOME=str(folder)),
        check=True,
        capture_output=True,
    )


@pytest.fixture
def in_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> type:
    """Give an experiment in a repository that has one commit."""
    # On a machine that is busy git takes its time.
    monkeypatch.setattr(_provenance, "_SECONDS", 150.0)
    path = tmp_path / "in_git_experiment.py"
    path.write_text(SOURCE, encoding="utf-8")
    (tmp_path / ".gitignore").write_text("__pycache__/\n", encoding="utf-8")
    git(tmp_path, "init", "-q", "-b", "trunk")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, path.stem, module)
    spec.loader.exec_module(module)
    cls: type = module.InGit
    return cls


def test_it_says_with_what_a_run_can_be_repeated() -> None:
    """Seed, Python, packages, host, and the source itself; JSON can hold all of it."""
    told = json.loads(json.dumps(provenance(Plain, 7)))

    assert told["seed"] == 7
    assert told["python"] == platform.python_version()
    assert told["packages"]["orjson"]
    assert told["host"]
    assert told["pid"] == os.getpid()
    assert "class Plain(Experiment)" in told["code"]["text"]


def test_no_variable_of_the_environment_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """They may be secrets."""
    secret = "-".join(["hunter2"] * 2)  # as a text this file does not have, for it is told
    monkeypatch.setenv("A_SECRET_TOKEN", secret)
    assert secret not in json.dumps(provenance(Plain))


def test_a_clean_repository_is_its_commit(in_git: type, tmp_path: Path) -> None:
    """Nothing else is needed to have the code again; what the runs leave in their place is no change."""
    place = Place(in_git)
    place.store.put("results/x", b"1")

    code = provenance(in_git, place=place)["code"]

    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert code["commit"] == head.stdout.strip()
    assert (code["branch"], code["repository"]) == ("trunk", str(tmp_path))
    assert (code["dirty"], code["diff"], code["unknown"]) == (False, "", [])


def test_a_dirty_tree_is_told_with_its_diff(in_git: type, tmp_path: Path) -> None:
    """It applies to the commit; files that git does not know are named."""
    path = tmp_path / "in_git_experiment.py"
    path.write_text(SOURCE.replace("search(1, 2)", "search(1, 2, 3)"), encoding="utf-8")
    (tmp_path / "helper.py").write_text("x = 1\n", encoding="utf-8")

    code = provenance(in_git)["code"]

    assert code["dirty"] is True
    assert code["unknown"] == ["helper.py"]
    assert "+    n: int = search(1, 2, 3)" in code["diff"]
    git(tmp_path, "stash")
    (tmp_path / "diff").write_text(code["diff"], encoding="utf-8")
    git(tmp_path, "apply", "diff")
    assert "search(1, 2, 3)" in path.read_text(encoding="utf-8")


def test_without_git_the_source_is_still_there(in_git: type, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine may not have it."""
    monkeypatch.setenv("PATH", "/nowhere")
    code = provenance(in_git)["code"]
    assert code["commit"] is None
    assert "class InGit" in code["text"]


def test_each_start_is_in_the_journal(tmp_path: Path) -> None:
    """With its seed, oldest first."""
    for seed in (1, 2):
        Plain().run_all(num_proc=0, root=str(tmp_path), seed=seed)

    told = provenance_of(Plain, str(tmp_path))

    assert [each["seed"] for each in told] == [1, 2]
    assert told[0]["at"] <= Plain.results("arrow", str(tmp_path)).column("started")[0].as_py().timestamp()
