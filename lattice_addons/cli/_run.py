"""``lattice run``: runs a program as a job, hands signals on to it, and starts it again when it dies."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from typing import TYPE_CHECKING

from lattice_addons._host import signals_of
from lattice_addons._only_on import only_where
from lattice_addons.errors import SettingsError
from lattice_addons.lifecycle import world_size
from lattice_addons.settings import Settings, check_job_id

if TYPE_CHECKING:
    from lattice_addons.cli.run import Plan, Slurm

_NONE = "none"
_RESTARTS = 3
_USAGE = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--restarts",
        type=_count,
        metavar="N",
        help=f"how often it is started again when it dies (default: {_RESTARTS}; 0 as one of several ranks)",
    )
    parser.add_argument(
        "--pause",
        type=_seconds,
        default=1.0,
        metavar="SECONDS",
        help="before the first restart; twice as long before each further one, up to a minute (default: 1)",
    )
    parser.add_argument("--job", metavar="NAME", help="the job's name (default: the program's)")
    parser.add_argument(
        "--requeue",
        metavar="SIGNAL",
        help="under SLURM: the signal at which the program is stopped and the job put back into the queue "
        f"(default: USR1; {_NONE} for no signal)",
    )
    parser.add_argument("--report", metavar="FILE", help="add a line of JSON about each life to this file")
    parser.add_argument(
        "program", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="the program, and its arguments"
    )


def run(options: argparse.Namespace) -> int:
    """Run the command; give the exit status of the program's last life."""
    only_where(hasattr(signal, "sigwaitinfo"), "lattice run", "queue of signals to wait at")
    from lattice_addons.cli.run import Lives

    command = options.program[1:] if options.program[:1] == ["--"] else options.program
    if not command or not command[0]:
        sys.stderr.write("lattice run: name a program, as in `lattice run -- python train.py`\n")
        return _USAGE
    return Lives(_plan(options, command)).run()


def _plan(options: argparse.Namespace, command: list[str]) -> Plan:
    from lattice_addons.cli.run import Plan, Slurm, job_of, named

    settings = Settings.from_environ()
    given = check_job_id(options.job, "--job") if options.job is not None else None
    name = named(given, settings, command, os.environ)
    slurm = Slurm(os.environ)
    # One rank that is started again alone finds the others at another point; their launcher starts them together.
    alone = world_size() == 1
    return Plan(
        command=command,
        settings=settings,
        restarts=options.restarts if options.restarts is not None else _RESTARTS * alone,
        requeues=options.restarts if options.restarts is not None else _RESTARTS,
        pause=options.pause,
        job=name,
        looked_for=name or settings.job_id or job_of(command),
        sure=(name or settings.job_id) is not None,
        slurm=slurm,
        warning=_warning(options.requeue, slurm),
        report=os.path.abspath(options.report) if options.report is not None else None,
        alone=alone,
    )


def _warning(given: str | None, slurm: Slurm) -> signal.Signals | None:
    """Read the signal that warns of the end of the allocation."""
    if not slurm or given == _NONE:
        return None
    name = "SIG" + (given or "USR1").upper().removeprefix("SIG")
    found = getattr(signal, name, None)
    if not isinstance(found, signal.Signals) or found in signals_of("SIGKILL", "SIGSTOP", "SIGCHLD"):
        message = f"--requeue {given}: there is no such signal, or it cannot be caught; use USR1, or {_NONE}"
        raise SettingsError(message, variable="--requeue", part=str(given))
    return found


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number, such as 3 or 0")
    return int(text)


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds, such as 0.5")
    return number
