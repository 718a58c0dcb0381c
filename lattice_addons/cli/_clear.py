"""``lattice clear``: removes the checkpoints of a job that nobody is writing."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from lattice_addons.checkpoint import clear

from ._output import counted, print_json
from ._status import NO
from ._store import OpenStore, add_store_arguments

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_store_arguments(parser)
    parser.add_argument("job", nargs="?", metavar="JOB", help="which job (default: the only one)")
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run(options: argparse.Namespace) -> int:
    """Run the command; give its exit status: 1 when it was not confirmed."""
    opened = OpenStore(options)
    job = opened.job(options.job)
    count = sum(len(line.numbers()) for line in opened.lines(job))
    if not options.yes and not confirmed(
        "clear", f"Remove {counted(count, 'checkpoint')} of job {job!r} in {opened.store.url}?"
    ):
        return NO
    clear(opened.store, job)
    if options.json:
        print_json({"job": job, "removed": count})
    else:
        sys.stdout.write(f"removed {counted(count, 'checkpoint')} of job {job!r}\n")
    return 0


def confirmed(command: str, question: str) -> bool:
    """Ask at the terminal; without one the answer is no."""
    if not sys.stdin.isatty():
        sys.stderr.write(f"lattice {command}: {question} Say --yes; there is no terminal to ask at.\n")
        return False
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}
