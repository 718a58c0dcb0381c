"""The demo is the product shown: stopped twice, and identical at the end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psutil
from rich.console import Console
from rich.progress import Progress

from lattice_addons.cli import _demo
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


def test_the_program_is_not_at_its_end_before_it_is_stopped(tmp_path: Path) -> None:
    """Though whoever shows it stands still for a while: it waits where it says how far it is."""

    class StandsStill(Progress):
        def update(self, *_: object, **shown: Any) -> None:
            if shown["completed"] == 1:
                (program,) = (each for each in psutil.Process().children() if _demo.PROGRAM in each.cmdline())
                before = -1.0
                with suppress(psutil.Error):  # it has ended
                    while (now := worked(program)) > before:
                        before = now
                        time.sleep(0.3)

    with StandsStill(console=Console(quiet=True)) as progress:
        told = _demo._run(_demo._prepare(tmp_path), progress, "stopped", signal.SIGTERM, 1 / 3)
    assert told["ended"] == "SIGTERM"


def worked(program: psutil.Process) -> float:
    """Give the seconds that a program's main thread has worked, which are no more where it waits."""
    return next(each.user_time + each.system_time for each in program.threads() if each.id == program.pid)
