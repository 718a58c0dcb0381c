"""``lattice demo``: a real program, stopped twice and finished, beside the same program left alone."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from lattice_addons._host import POSIX
from lattice_addons._only_on import only_where
from lattice_addons.errors import LatticeError

from ._output import add_json_argument, print_json

if TYPE_CHECKING:
    import argparse

    from rich.progress import Progress

PROGRAM = "index_words.py"
RESULTS = ("totals.json", "words.log")
SAVING = "periodic_saving=enabled,periodic_saving_interval=0.1"
# A few lines: a program that is to be stopped must not be at its end before what it says has been read.
_AHEAD = 4096
# Seconds that each line then waits for while the disk has not taken a checkpoint yet.
_LOOK = 0.05


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--keep", metavar="FOLDER", help="work in this folder and leave everything there")
    add_json_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Run the command; give its exit status: 1 when the results differ."""
    only_where(POSIX, "lattice demo", "signals that stop a program")
    with ExitStack() as stack:
        if options.keep is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lattice-demo-")))
        else:
            folder = Path(options.keep).absolute()
            folder.mkdir(parents=True, exist_ok=True)
        answer = _compare(folder, quiet=options.json)
        answer["kept"] = options.keep is not None
        if options.json:
            print_json(answer)
        else:
            _tell(answer)
    return 0 if answer["identical"] else 1


def _compare(folder: Path, *, quiet: bool) -> dict[str, object]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description:<42}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(quiet=quiet)) as progress:
        alone, stopped = _prepare(folder / "left-alone"), _prepare(folder / "stopped")
        runs = [
            _run(alone, progress, "left alone"),
            _run(stopped, progress, "stopped with SIGTERM", signal.SIGTERM, 1 / 3),
            _run(stopped, progress, "carried on, killed with SIGKILL", signal.SIGKILL, 2 / 3),
            _run(stopped, progress, "carried on to its end"),
        ]
    identical = all((alone / name).read_bytes() == (stopped / name).read_bytes() for name in RESULTS)
    log = (stopped / "words.log").read_text(encoding="utf-8").splitlines()
    store = str(stopped / ".lattice")
    return {"runs": runs, "identical": identical, "log_lines": len(log), "store": store, "last_line": log[-1]}


def _prepare(folder: Path) -> Path:
    # A folder that an earlier demo kept begins afresh; whatever else lies in it is left alone.
    folder.mkdir(exist_ok=True)
    shutil.rmtree(folder / ".lattice", ignore_errors=True)
    for name in RESULTS:
        (folder / name).unlink(missing_ok=True)
    shutil.copy(Path(__file__).parent / "demo" / PROGRAM, folder / PROGRAM)
    return folder


def _run(
    folder: Path, progress: Progress, title: str, stop: signal.Signals | None = None, at: float = 1.0
) -> dict[str, object]:
    """Run the program in a folder; with a signal, send it when this share of the work is done."""
    task = progress.add_task(title, total=None)
    first = last = total = 0
    before = _checkpoints(folder)
    process, ours = _started(folder)
    with process, ours, ours.makefile(encoding="utf-8") as said:
        assert process.stderr is not None  # noqa: S101 - it is a pipe
        for line in said:
            word, *numbers = line.split()
            if word != "progress" or len(numbers) != 2:  # noqa: PLR2004 - how many of how many
                continue  # the kill came in the middle of a line
            last, total = map(int, numbers)
            first = first or last
            progress.update(task, completed=last, total=total)
            if stop is not None and last >= at * total:
                # A SIGKILL leaves no time to save: the program carries on from its last periodic checkpoint.
                if stop is signal.SIGKILL and not _checkpoints(folder) - before:
                    time.sleep(_LOOK)
                    continue
                process.send_signal(stop)
                stop = None
        errors = process.stderr.read()
    status = process.returncode
    if status not in (0, -signal.SIGTERM, -signal.SIGKILL):
        raise LatticeError(f"the demo's program ended with status {status}:\n{errors}")
    how = "by itself" if status >= 0 else signal.Signals(-status).name
    return {"run": title, "from": first, "to": last, "of": total, "ended": how}


def _started(folder: Path) -> tuple[subprocess.Popen[str], socket.socket]:
    """Start the program in a folder; give it, and the end at which it is read."""
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _AHEAD)
        process = subprocess.Popen(  # noqa: S603 - our own program, by the interpreter that runs us
            [sys.executable, PROGRAM],
            cwd=folder,
            env=_environ(),
            stdout=theirs.fileno(),
            stderr=subprocess.PIPE,
            text=True,
        )
    return process, ours


def _checkpoints(folder: Path) -> set[str]:
    return {path.name for path in folder.glob(".lattice/*/*/checkpoints/*.json")}


def _environ() -> dict[str, str]:
    # The demo's own job and store, whatever the user has set for his.
    environ = {name: value for name, value in os.environ.items() if not name.startswith("LATTICE_")}
    return environ | {"LATTICE_CHECKPOINT_CONFIG": SAVING}


def _tell(answer: dict[str, object]) -> None:
    from rich.console import Console

    from ._output import print_table

    runs = answer["runs"]
    assert isinstance(runs, list)  # noqa: S101 - made above
    print_table("An index of the words of the Python standard library", runs, right=("from", "to", "of"))
    console = Console(soft_wrap=True, highlight=False)
    if answer["identical"]:
        console.print(
            f"[green]identical[/]: totals and log ({answer['log_lines']} lines) of the program left alone"
        )
        console.print("and of the one that was stopped twice.")
    else:
        console.print(
            "[red]different[/]: a defect; please report it with what `lattice demo --keep FOLDER` leaves"
        )
    where = (
        "the checkpoints are" if answer["kept"] else "the checkpoints were (use --keep FOLDER to keep them)"
    )
    console.print(f"{where} in {answer['store']}", markup=False)
