"""Real Python programs in folders of their own, started, stopped and started again by the tests."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def clean_environ(**extra: str) -> dict[str, str]:
    """Give this process's environment without what would make a child think that it is under test."""
    hidden = ("LATTICE_", "PYTEST_", "SLURM_", "OMPI_", "PMI_", "RANK", "WORLD_SIZE")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    return environ | {"PYTHONUNBUFFERED": "1"} | extra


class Program:
    """A program that is a file in a folder; its store is ``.lattice`` beside it."""

    def __init__(self, folder: Path, source: str, name: str = "program.py") -> None:
        self.folder = folder
        self.path = folder / name
        self.path.write_text(textwrap.dedent(source), encoding="utf-8")
        self.root = folder / ".lattice"
        self.job = self.root / self.path.stem

    def checkpoints(self, rank: int = 0) -> list[Path]:
        """Give the manifests that are there, oldest first."""
        return sorted((self.job / f"rank-{rank:05d}" / "checkpoints").glob("*.json"))

    def start(
        self,
        *args: str,
        config: str = "",
        environ: Mapping[str, str] | None = None,
        python: Sequence[str] = (),
        **popen: object,
    ) -> subprocess.Popen[str]:
        """Start the program; its standard streams are pipes of text."""
        env = clean_environ(**({"LATTICE_CHECKPOINT_CONFIG": config} if config else {})) | dict(environ or {})
        options: dict[str, object] = {
            "cwd": self.folder,
            "env": env,
            "stdin": subprocess.PIPE,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "text": True,
        }
        command = [sys.executable, *python, str(self.path), *args]
        return subprocess.Popen(command, **(options | popen))  # type: ignore[call-overload, no-any-return]

    def run(self, *args: str, timeout: float = 150, **start: object) -> subprocess.CompletedProcess[str]:
        """Run the program to its end."""
        process = self.start(*args, **start)  # type: ignore[arg-type]
        return finish(process, timeout=timeout)


def patience(folder: Path, seconds: float) -> dict[str, str]:
    """Give the environment of a program that waits so long, and not for half a minute, for a store that is away."""
    place = folder / f"patience-{seconds}"
    place.mkdir(exist_ok=True)
    source = f"""
from lattice_addons.storage import RemoteStore
from lattice_addons.storage.spool import _attend
RemoteStore.__init__.__kwdefaults__["patience"] = {seconds}
_attend._LONG = max(_attend._LONG, {seconds})
"""
    (place / "sitecustomize.py").write_text(source, encoding="utf-8")
    return {"PYTHONPATH": str(place)}


def impatient(folder: Path) -> dict[str, str]:
    """Give the environment of one that soon takes it that nobody is there."""
    return patience(folder, 2.0)


def next_line(process: subprocess.Popen[str]) -> str:
    """Read the next line of the program's output, and nothing of what follows it; empty at its end."""
    assert process.stdout is not None
    line = b""
    # Past the buffer of the stream: what lies there `communicate` would not find.
    while not line.endswith(b"\n") and (read := os.read(process.stdout.fileno(), 1)):
        line += read
    return line.decode()


def wait_for(process: subprocess.Popen[str], line: str) -> None:
    """Read the program's output until it has printed this line; fail, with its errors, if it ends before."""
    while printed := next_line(process):
        if printed.rstrip("\n") == line:
            return
    _, errors = process.communicate(timeout=60)
    message = f"the program ended (status {process.returncode}) without printing {line!r}:\n{errors}"
    raise AssertionError(message)


def finish(process: subprocess.Popen[str], timeout: float = 150) -> subprocess.CompletedProcess[str]:
    """Wait for the program's end; kill it when it takes too long."""
    try:
        output, errors = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        output, errors = process.communicate()
        message = f"the program did not end within {timeout} s\nstdout:\n{output}\nstderr:\n{errors}"
        raise AssertionError(message) from None
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)
