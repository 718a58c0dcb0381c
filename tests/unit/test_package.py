"""Importing the package is quick, and what is heavy is imported when it is used."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import lattice_addons
from tests.program import clean_environ

if TYPE_CHECKING:
    from pathlib import Path

HEAVY = [
    "asyncio",
    "cloudpickle",
    "concurrent.futures",
    "dill",
    "fsspec",
    "numpy",
    "pathlib",
    "psutil",
    "pydantic",
    "rich",
    "socket",
    "tempfile",
    "torch",
]

GROUP = """
group = lattice_addons.StateManagerGroup()
group.register('n')
group.update('n', (group.get('n') or 0) + 1)
group.save()
"""


@pytest.mark.parametrize("program", ["", GROUP], ids=["import", "group"])
def test_nothing_heavy_is_imported(tmp_path: Path, program: str) -> None:
    """Neither by the import, nor by a group that saves plain data."""
    source = f"import json, sys, lattice_addons\n{program}\nprint(json.dumps(sorted(sys.modules)))"

    ended = subprocess.run(
        [sys.executable, "-c", source],
        cwd=tmp_path,
        env=clean_environ(),
        capture_output=True,
        text=True,
        check=True,
    )

    loaded = set(json.loads(ended.stdout))
    assert "lattice_addons" in loaded
    assert loaded.isdisjoint(HEAVY)


def test_the_import_alone_imports_next_to_nothing(tmp_path: Path) -> None:
    """Two modules of ours, a third where it was built, and of Python's only what ``import typing`` brings."""
    source = (
        "import sys, __future__, typing; there = {*sys.modules}; import lattice_addons\n"
        "print({*sys.modules} - there)"
    )

    ended = subprocess.run(
        [sys.executable, "-c", source],
        cwd=tmp_path,
        env=clean_environ(),
        capture_output=True,
        text=True,
        check=True,
    )

    loaded = ast.literal_eval(ended.stdout) - {"lattice_addons._version"}
    assert loaded == {"lattice_addons", "lattice_addons._doors"}


def test_the_public_names_are_there() -> None:
    """Each name can be had, and dir() shows it."""
    assert set(lattice_addons.__all__) <= set(dir(lattice_addons))
    for name in lattice_addons.__all__:
        assert getattr(lattice_addons, name).__name__ == name


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    """As for any module."""
    with pytest.raises(AttributeError, match="Nothing"):
        lattice_addons.Nothing  # type: ignore[attr-defined] # noqa: B018
