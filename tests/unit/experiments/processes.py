"""Processes of runs, of which a test knows the number."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess


def pid_in(path: Path, process: subprocess.Popen[str] | None = None) -> int:
    """Wait for the file into which a run writes a line with its process, and give that."""
    while not path.exists() or not (text := path.read_text(encoding="ascii")).endswith("\n"):
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.01)
    return int(text)


def running(pid: int) -> bool:
    """Tell whether a process is there and has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
