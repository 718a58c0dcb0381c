"""What is installed is the package and nothing else, the same bytes whoever builds it, and described as it is."""

from __future__ import annotations

import email.parser
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from email.message import Message

pytest.importorskip("hatchling", reason="not installed: hatchling")

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SOURCES = ("lattice_addons", "pyproject.toml", "README.rst", "LICENSE", ".gitignore")


def build(folder: Path, version: str = "") -> Path:
    """Build the wheel of a copy of the tree that is under no version control."""
    folder.mkdir(parents=True)
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(
                source, folder / name, ignore=shutil.ignore_patterns("__pycache__", "_version.py", ".*")
            )
        else:
            shutil.copyfile(source, folder / name)
    (folder / "lattice_addons" / "__pycache__").mkdir()
    (folder / "lattice_addons" / "__pycache__" / "left.cpython-312.pyc").write_bytes(b"left from a run")
    environ = os.environ | {"SOURCE_DATE_EPOCH": "1700000000", "GIT_CEILING_DIRECTORIES": str(folder.parent)}
    if version:
        environ["SETUPTOOLS_SCM_PRETEND_VERSION"] = version
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", "built"]
    ended = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    (wheel,) = (folder / "built").iterdir()
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the wheel of version 1.2.3."""
    return build(tmp_path_factory.mktemp("wheel") / "one", "1.2.3")


def is_left(path: Path) -> bool:
    """Tell what tools have left in the tree."""
    return any(part == "__pycache__" or part.startswith(".") for part in path.relative_to(ROOT).parts)


def described(wheel: Path) -> Message:
    """Give the metadata of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return email.parser.Parser().parsestr(archive.read(name).decode())


def test_it_has_the_package_and_nothing_else(wheel: Path) -> None:
    """No test, no document, no cache; and everything that the package reads at run time."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    about = {name for name in names if name.startswith("lattice_addons-1.2.3.dist-info/")}
    assert {name.rpartition("/")[2] for name in about} == {
        "METADATA", "WHEEL", "RECORD", "LICENSE", "entry_points.txt"
    }  # fmt: skip
    sources = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "lattice_addons").rglob("*")
        if path.is_file() and path.name != "_version.py" and not is_left(path)
    }
    assert names - about == sources | {"lattice_addons/_version.py"}
    assert "lattice_addons/py.typed" in names


def test_it_is_the_same_bytes_again(wheel: Path, tmp_path: Path) -> None:
    """Built elsewhere, at another time, from files with other dates."""
    again = build(tmp_path / "another place", "1.2.3")
    assert again.name == wheel.name == "lattice_addons-1.2.3-py3-none-any.whl"
    assert again.read_bytes() == wheel.read_bytes()


def test_it_says_which_version_it_is(wheel: Path, tmp_path: Path) -> None:
    """In its metadata and in the package, which reads no metadata for it."""
    source = (
        "import lattice_addons, sys; print(lattice_addons.__version__, 'importlib.metadata' in sys.modules)"
    )
    ended = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path.insert(0, {str(wheel)!r}); {source}"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert ended.stdout == "1.2.3 False\n"
    assert described(wheel)["Version"] == "1.2.3"


def test_a_tree_without_its_history_can_be_built(tmp_path: Path) -> None:
    """An archive of the sources, say: what version it is nobody knows then, and it says the lowest."""
    assert described(build(tmp_path / "tree"))["Version"] == "0.0"


def test_it_is_described_as_it_is(wheel: Path) -> None:
    """Python, licence, extras, and where its source, its documentation and its changes are."""
    told = described(wheel)
    assert told["Requires-Python"] == ">=3.10"
    assert told["License-Expression"] == "Apache-2.0"
    assert told["Description-Content-Type"] == "text/x-rst"
    assert set(told.get_all("Provides-Extra", [])) == set(PROJECT["optional-dependencies"])
    pythons = {line.rpartition(" ")[2] for line in told.get_all("Classifier", []) if "Python :: 3." in line}
    assert pythons == {"3.10", "3.11", "3.12", "3.13"}
    assert told.get_payload() == (ROOT / "README.rst").read_text(encoding="utf-8")


def test_all_is_everything_but_the_frameworks() -> None:
    """Who asks for ``all`` lacks nothing of Lattice's own, and gets no framework of gigabytes."""
    extras = PROJECT["optional-dependencies"]
    (everything,) = extras["all"]
    named = set(re.findall(r"[\w-]+", everything.partition("[")[2]))
    frameworks = {"torch", "transformers", "lightning", "sklearn", "jax", "keras", "boosting"}
    assert named == set(extras) - frameworks - {"all"}


def test_the_lower_bounds_are_those_that_were_looked_at() -> None:
    """A bound that is below what ``SECURITY.rst`` says lets a version in that has a published fault."""
    rows = re.findall(
        r"^   \* - ([\w.-]+)\n     - ([\d.]+)$",
        (ROOT / "SECURITY.rst").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    told = {(name, lowest) for name, lowest in rows}
    requirements = [
        *PROJECT["dependencies"],
        *(each for of in PROJECT["optional-dependencies"].values() for each in of),
    ]
    bounds = {tuple(each.split(">=")) for each in requirements if ">=" in each}
    assert len(told) > 10
    assert {bound for bound in bounds if bound[0] in dict(told)} == told


@pytest.mark.parametrize("extra", sorted(PROJECT["optional-dependencies"]))
def test_each_requirement_has_a_lower_bound_and_no_upper(extra: str) -> None:
    """One without is met by any old version; one with an upper bound cannot be installed beside others for long."""
    for requirement in [*PROJECT["dependencies"], *PROJECT["optional-dependencies"][extra]]:
        if not requirement.startswith("lattice-addons["):
            assert re.fullmatch(r"[\w.\[\]-]+>=[\d.]+(; python_version < '3\.11')?", requirement), requirement
