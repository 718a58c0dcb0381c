"""``lattice repair``: lets damaged slots be read from whole copies, and puts aside what cannot be read at all."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from lattice_addons.checkpoint import repair
from lattice_addons.errors import DamagedError

from ._output import plain, print_json, print_table
from ._store import OpenStore, add_store_arguments

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_store_arguments(parser)
    parser.add_argument("job", nargs="?", metavar="JOB", help="which job (default: the only one)")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")


def run(options: argparse.Namespace) -> int:
    """Run the command; give its exit status: that of `DamagedError` when something is lost."""
    opened = OpenStore(options)
    job = opened.job(options.job)
    with nullcontext(opened.lines(job)) if options.dry_run else opened.writing(job) as lines:
        rows = [
            {
                "rank": line.rank,
                "checkpoint": told.number,
                "slot": told.slot,
                "outcome": told.outcome,
                "reason": told.reason,
            }
            for line in lines
            for told in repair(line, dry_run=options.dry_run)
        ]
    if options.json:
        print_json({"job": job, "dry_run": options.dry_run, "findings": rows})
    elif rows:
        title = f"{job}: what would be done" if options.dry_run else f"{job}: what was done"
        print_table(title, rows, right=("rank", "checkpoint"))
    else:
        print(plain(f"{job}: nothing is damaged"))
    lost = any(row["outcome"] == "lost" for row in rows)
    return DamagedError.exit_code if lost else 0
