"""An experiment is found by its name from anywhere in its project, and nothing else is imported for it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from lattice_addons.errors import ExperimentError, ExperimentNotFoundError
from lattice_addons.experiments import find_experiment, find_experiments

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEAD = "from lattice_addons.experiments import Experiment, search\n"
ONE = """
class {name}(Experiment):
    size: int = search(1, 2)
    def run(self):
        return self.size
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project with experiments in several places; what a test imports of it is forgotten afterwards."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = {*sys.modules}
    for path, text in {
        "pyproject.toml": "",
        "experiments/params.py": HEAD + ONE.format(name="Hyperparams"),
        "experiments/index/RQ2.py": HEAD + ONE.format(name="First") + ONE.format(name="Second"),
        "experiments/index/RQ3.py": HEAD
        + ONE.format(name="RQ3")
        + "class Part(Experiment):\n    depth: int = 1\n",
        "src/pkg/__init__.py": "",
        "src/pkg/base.py": "from lattice_addons import experiments\nclass Base(experiments.Experiment): pass\n",
        "src/pkg/many.py": "from .base import Base\nclass Lone(Base):\n    n: int = 1\n",
        "src/pkg/other.py": "class Hyperparams: pass\nraise RuntimeError('imported')\n",
        "one/twice.py": HEAD + ONE.format(name="Twice"),
        "two/twice.py": HEAD + ONE.format(name="Twice"),
        "venv/pyvenv.cfg": "",
        "venv/hidden.py": HEAD + ONE.format(name="Hidden"),
        "docs/deep/page.txt": "",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path / "docs" / "deep")
    yield tmp_path
    for name in {*sys.modules} - before:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if file.startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("params.Hyperparams", ["params:Hyperparams"]),
        ("Hyperparams", ["params:Hyperparams"]),
        ("experiments.params.Hyperparams", ["params:Hyperparams"]),
        ("RQ2", ["index.RQ2:First", "index.RQ2:Second"]),
        ("index.RQ2", ["index.RQ2:First", "index.RQ2:Second"]),
        ("index.RQ2.Second", ["index.RQ2:Second"]),
        ("RQ3", ["index.RQ3:RQ3"]),
        ("Part", ["index.RQ3:Part"]),
        ("pkg.many.Lone", ["pkg.many:Lone"]),
        ("Lone", ["pkg.many:Lone"]),
        ("one.twice.Twice", ["twice:Twice"]),
        ("../../experiments/params.py:Hyperparams", ["params:Hyperparams"]),
        ("../../experiments/index/RQ2.py", ["index.RQ2:First", "index.RQ2:Second"]),
        ("../../experiments/index/RQ3.py", ["index.RQ3:RQ3"]),
    ],
)
@pytest.mark.usefixtures("project")
def test_a_name_finds_what_it_means(name: str, found: list[str]) -> None:
    """A class, a file, the end of a longer name and a path: each leads there, from another folder of the project."""
    assert [f"{each.__module__}:{each.__qualname__}" for each in find_experiments(name)] == found


@pytest.mark.usefixtures("project")
def test_what_is_found_runs() -> None:
    """It is the class itself, whose settings run; found twice it is the same one."""
    found = find_experiment("params.Hyperparams")
    assert [each.run() for each in found()] == [1, 2]
    assert find_experiment("Hyperparams") is found


def test_it_is_found_from_its_own_folder(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within `experiments`, the names are the same."""
    monkeypatch.chdir(project / "experiments")
    assert find_experiment("params.Hyperparams").__module__ == "params"
    monkeypatch.chdir(project)
    assert find_experiment("Lone", folder=str(project / "src")).__module__ == "pkg.many"


@pytest.mark.parametrize(
    ("name", "near", "said"),
    [
        ("params.Hyperparam", ("params.Hyperparams",), "did you mean params.Hyperparams"),
        ("hyperparams", ("params.Hyperparams",), "did you mean"),
        ("../../experiments/parms.py:X", ("params.py",), "there is no file"),
        ("../../experiments/params.py:Hyper", ("Hyperparams",), "did you mean Hyperparams"),
        ("nowhere.Else", (), "there are params.Hyperparams"),
        ("Hidden", (), "no experiment is called 'Hidden'"),
        ("a-b", (), "path/file.py:RQ1"),
    ],
)
@pytest.mark.usefixtures("project")
def test_what_is_not_there_is_refused_with_what_is(name: str, near: tuple[str, ...], said: str) -> None:
    """The error has the names that are like it."""
    with pytest.raises(ExperimentNotFoundError, match=said) as refused:
        find_experiment(name)
    assert refused.value.near[: len(near)] == near
    assert refused.value.experiment == name


@pytest.mark.usefixtures("project")
def test_a_name_that_may_mean_two_is_refused() -> None:
    """Both are named, as they can be asked for."""
    with pytest.raises(ExperimentNotFoundError, match="one of 2 experiments") as refused:
        find_experiment("Twice")
    assert refused.value.near == ("../../one/twice.py:Twice", "../../two/twice.py:Twice")
    with pytest.raises(ExperimentNotFoundError, match="a file of 2 experiments"):
        find_experiment("RQ2")


def test_a_file_that_cannot_be_imported_is_told(project: Path) -> None:
    """What it raised is in the error, with the line; so is a name that another module has."""
    (project / "experiments" / "bad.py").write_text(
        HEAD + ONE.format(name="Bad") + "1 / 0\n", encoding="utf-8"
    )
    with pytest.raises(ExperimentError, match=r"bad\.py:7: cannot be imported \(ZeroDivisionError"):
        find_experiment("Bad")
    (project / "experiments" / "json.py").write_text(HEAD + ONE.format(name="Json"), encoding="utf-8")
    with pytest.raises(ExperimentError, match=r"the module 'json' is .* already; give the file another name"):
        find_experiment("Json")


@pytest.mark.filterwarnings("always")
def test_what_python_would_warn_of_is_not_told(project: Path, recwarn: pytest.WarningsRecorder) -> None:
    """Nobody has asked for the file that has an invalid escape."""
    text = HEAD + "PATTERN = '\\d'\n" + ONE.format(name="Escaped")
    (project / "experiments" / "escaped.py").write_text(text, encoding="utf-8")
    assert find_experiment("Hyperparams").__name__ == "Hyperparams"
    assert [each for each in recwarn if "escape" in str(each.message)] == []


def test_a_module_that_lacks_another_is_told(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not as if there were no such module: what it lacks is in the error."""
    installed = project / "installed"
    (installed / "lib_of_ours").mkdir(parents=True)
    (installed / "lib_of_ours" / "__init__.py").touch()
    (installed / "lib_of_ours" / "needy.py").write_text("import not_there\n" + HEAD, encoding="utf-8")
    monkeypatch.syspath_prepend(installed)
    monkeypatch.chdir(project / "experiments")
    (installed / "pyproject.toml").touch()
    with pytest.raises(ExperimentError, match=r"needy cannot be imported .*No module named 'not_there'"):
        find_experiment("lib_of_ours.needy.RQ9")
    with pytest.raises(ExperimentNotFoundError, match=r"no experiment is called 'lib_of_ours\.other\.RQ9'"):
        find_experiment("lib_of_ours.other.RQ9")


@pytest.mark.usefixtures("project")
def test_nothing_else_is_imported() -> None:
    """Of a project only the file that is meant is run."""
    find_experiment("Hyperparams")
    assert not {"pkg", "pkg.other", "twice", "index.RQ2"} & {*sys.modules}
    assert os.getcwd() not in sys.path
