"""``lattice verify`` shows a person how far it has come, and a program nothing but the answer."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys

import numpy as np
import pytest

from lattice_addons import Settings, StateManagerGroup
from lattice_addons.cli import main

COMMAND = (sys.executable, "-m", "lattice_addons.cli", "verify", "--json", "--root")
pytestmark = pytest.mark.one_python


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Make a store with an array."""
    root = str(tmp_path_factory.mktemp("progress") / "store")
    group = StateManagerGroup(Settings(root=root, job_id="job", signals=()))
    group.register("array")
    group.update("array", np.random.default_rng(1).random(10**5))
    group.save()
    group.close()
    return root


def test_progress_is_for_terminals(root: str) -> None:
    """On a terminal's stderr there is a bar with the job's name; stdout has the same answer."""
    ours, theirs = pty.openpty()
    try:
        environ = os.environ | {"TERM": "xterm"}
        with subprocess.Popen(
            (*COMMAND, root), stdout=subprocess.PIPE, stderr=theirs, env=environ
        ) as process:
            os.close(theirs)
            # All the time: a terminal that nobody reads is full at some time, and then what writes to it waits.
            shown = b"".join(iter(lambda: read(ours), b""))
            assert process.stdout is not None
            answer = process.stdout.read()
        assert process.returncode == 0
    finally:
        os.close(ours)
    assert b"job, rank 0" in shown
    assert json.loads(answer) == {"good": 1, "damaged": []}


def read(terminal: int) -> bytes:
    """Read what comes next; nothing where nobody has the other end any more, which Linux calls an error."""
    try:
        return os.read(terminal, 100_000)
    except OSError:
        return b""


def test_programs_see_no_progress(root: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is written to a stderr that is no terminal, or is closed."""
    assert main(["verify", "--json", "--root", root]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    assert json.loads(told.out) == {"good": 1, "damaged": []}
    closed = subprocess.run(
        ("sh", "-c", 'exec "$@" 2>&-', "sh", *COMMAND, root), stdout=subprocess.PIPE, text=True, check=True
    )
    assert closed.stdout == told.out
