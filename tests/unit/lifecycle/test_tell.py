"""One line on stderr, if that is what descriptor 2 is."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tests.program import clean_environ

if TYPE_CHECKING:
    from pathlib import Path


def run(folder: Path, source: str) -> subprocess.CompletedProcess[str]:
    """Run a few lines that can tell."""
    code = f"import os, sys\nfrom lattice_addons.lifecycle import tell\n{source}"
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=clean_environ(),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )


def test_one_line(tmp_path: Path) -> None:
    """Whatever the text has in it."""
    assert run(tmp_path, "tell('two\\nlines, \\udce9')").stderr == "lattice: two lines, \\udce9\n"


def test_python_stderr_is_not_asked(tmp_path: Path) -> None:
    """It may be gone, or anything."""
    assert run(tmp_path, "sys.stderr = None; tell('x')").stderr == "lattice: x\n"


def test_a_closed_stderr(tmp_path: Path) -> None:
    """Nothing is written, nothing raised."""
    assert run(tmp_path, "os.close(2); tell('x')").stderr == ""


def test_a_file_that_got_the_number_of_stderr(tmp_path: Path) -> None:
    """A user's data is never written to."""
    run(tmp_path, "os.close(2); data = open('data', 'wb'); assert data.fileno() == 2; tell('x')")
    assert (tmp_path / "data").read_bytes() == b""


def test_a_log_file_in_place_of_both_streams(tmp_path: Path) -> None:
    """A daemon's log is what it chose to be told in."""
    run(
        tmp_path,
        "log = os.open('log', os.O_CREAT | os.O_WRONLY); os.dup2(log, 1); os.dup2(log, 2); tell('x')",
    )
    assert (tmp_path / "log").read_text(encoding="utf-8") == "lattice: x\n"


def test_a_full_pipe(tmp_path: Path) -> None:
    """Nobody reads: the end of the program does not wait for that."""
    source = """
        pipe = os.pipe(); os.dup2(pipe[1], 2); os.set_blocking(2, False)
        try:
            while True: os.write(2, bytes(4096))
        except BlockingIOError: os.set_blocking(2, True)
        tell('x'); print('done')
    """
    assert run(tmp_path, "\n".join(line[8:] for line in source.splitlines())).stdout == "done\n"
