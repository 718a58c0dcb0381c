"""``lattice verify`` shows a person how far it has come, and a program nothing but the answer."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np

from lattice_addons import Settings, StateManagerGroup

if TYPE_CHECKING:
    from pathlib import Path

COMMAND = (sys.executable, "-m", "lattice_addons.cli", "verify", "--json", "--root")


def store(tmp_path: Path) -> str:
    """Make a store with some megabytes."""
    group = StateManagerGroup(Settings(root=str(tmp_path / "store"), job_id="job", signals=()))
    group.register("array")
    group.update("array", np.random.default_rng(1).random(10**6))
    group.save()
    group.close()
    return str(tmp_path / "store")


def test_progress_is_for_terminals(tmp_path: Path) -> None:
    """On a terminal's stderr there is a bar with the job's name; stdout has the same answer."""
    root = store(tmp_path)
    ours, theirs = pty.openpty()
    try:
        environ = os.environ | {"TERM": "xterm"}
        done = subprocess.run(
            (*COMMAND, root), stdout=subprocess.PIPE, stderr=theirs, check=True, env=environ
        )
        shown = os.read(ours, 100_000)
    finally:
        os.close(theirs)
        os.close(ours)
    assert b"job, rank 0" in shown
    assert json.loads(done.stdout) == {"good": 1, "damaged": []}


def test_programs_see_no_progress(tmp_path: Path) -> None:
    """Nothing is written to a stderr that is no terminal, or is closed."""
    root = store(tmp_path)
    done = subprocess.run((*COMMAND, root), capture_output=True, check=True)
    assert done.stderr == b""
    assert json.loads(done.stdout) == {"good": 1, "damaged": []}
    closed = subprocess.run(
        ("sh", "-c", 'exec "$@" 2>&-', "sh", *COMMAND, root), stdout=subprocess.PIPE, check=True
    )
    assert closed.stdout == done.stdout
