"""``lattice top`` at a real terminal, while real programs run and are killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.program import Program, clean_environ, finish, wait_for
from tests.terminal import Terminal

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = """
import os, time
from lattice_addons import StateManagerGroup

group = StateManagerGroup()
group.register("blob")
for n in range(100_000):
    group.update("blob", os.urandom(300_000))
    group.save()
    if n == 3:
        print("saved", flush=True)
    time.sleep(0.05)
"""
TOP = [sys.executable, "-m", "lattice_addons.cli", "top", "--every", "0.3"]


def test_a_terminal_shows_what_runs(tmp_path: Path) -> None:
    """Running, then crashed; q ends it, and the terminal is as before."""
    program = Program(tmp_path, SOURCE, "worker.py")
    process = program.start()
    try:
        wait_for(process, "saved")
        with Terminal(TOP, tmp_path, clean_environ()) as terminal:
            terminal.wait_for("worker")
            terminal.wait_for("iB/s are written")
            assert "1 job, 1 running" in terminal.text
            process.send_signal(signal.SIGKILL)
            finish(process)
            terminal.wait_for("crashed")
            terminal.type("x")  # means nothing
            terminal.type("q")
            assert terminal.wait() == 0
    finally:
        with process:
            process.kill()
    # It was shown beside what stood there, and the cursor came back.
    assert b"\x1b[?1049h" in terminal.raw
    assert b"\x1b[?1049l" in terminal.raw
    assert b"\x1b[?25h" in terminal.raw


def test_ctrl_c_ends_it_well(tmp_path: Path) -> None:
    """As q does."""
    program = Program(tmp_path, SOURCE.replace("100_000", "5"), "worker.py")
    assert program.run().returncode == 0
    with Terminal(TOP, tmp_path, clean_environ()) as terminal:
        terminal.wait_for("stopped")
        terminal.type("\x03")
        assert terminal.wait() == 0


def test_without_a_terminal_there_are_lines(tmp_path: Path) -> None:
    """One a job and look, of text or of JSON, and no escapes."""
    program = Program(tmp_path, SOURCE, "worker.py")
    # So many that those that are looked at are not deleted meanwhile: of one alone no pace can be told.
    process = program.start(config="keep=100")
    try:
        wait_for(process, "saved")
        done = subprocess.run(
            [*TOP, "--count", "2"],
            cwd=tmp_path,
            env=clean_environ(),
            capture_output=True,
            text=True,
            check=True,
        )
        lines = done.stdout.splitlines()
        assert len(lines) == 2
        assert all("worker: state running, newest " in line and "/s" in line for line in lines)
        assert "\x1b" not in done.stdout
        done = subprocess.run(
            [*TOP, "--count", "2", "--json"],
            cwd=tmp_path,
            env=clean_environ(),
            capture_output=True,
            text=True,
            check=True,
        )
        first, second = map(json.loads, done.stdout.splitlines())
        assert (first["job"], first["state"]) == ("worker", "running")
        assert second["checkpoint"] >= first["checkpoint"] > 0
        assert second["bytes_per_second"] > 0
    finally:
        os.kill(process.pid, signal.SIGKILL)
        finish(process)
