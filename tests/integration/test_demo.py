"""The demo is the product shown: stopped twice, and identical at the end."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.program import clean_environ

if TYPE_CHECKING:
    from pathlib import Path

LATTICE = [sys.executable, "-m", "lattice_addons.cli"]


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run ``lattice``."""
    command = [*LATTICE, *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, env=clean_environ(**environ), timeout=250, check=False
    )


def test_the_demo_ends_identical_and_cleans_up(tmp_path: Path) -> None:
    """It says so, in words and by its status, and leaves nothing behind."""
    ended = run("demo", TMPDIR=str(tmp_path))

    assert ended.returncode == 0, ended.stderr
    assert "identical" in ended.stdout
    assert "SIGTERM" in ended.stdout
    assert "SIGKILL" in ended.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_demo_can_keep_its_work(tmp_path: Path) -> None:
    """The second and third run began where the one before was stopped, and the checkpoints are there."""
    ended = run("demo", "--json", "--keep", str(tmp_path / "kept"))

    assert ended.returncode == 0, ended.stderr
    answer = json.loads(ended.stdout)
    assert answer["identical"] is True
    starts = [run["from"] for run in answer["runs"]]
    assert starts[0] == starts[1] == 1
    assert 1 < starts[2] <= starts[3]
    assert [run["ended"] for run in answer["runs"]] == ["by itself", "SIGTERM", "SIGKILL", "by itself"]
    listed = json.loads(run("list", "--json", "--root", answer["store"]).stdout)
    assert [job["job"] for job in listed] == ["index_words"]
