"""``lattice rollback``: commits an older checkpoint's state as a new one, so that the job carries on from there."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING

from lattice_addons.checkpoint import rolled_back, to_roll_back

from ._output import print_json
from ._status import OK
from ._store import OpenStore, add_store_arguments

if TYPE_CHECKING:
    import argparse

    from lattice_addons.checkpoint import Checkpoint, Line

# How long to wait for a remote store to have it, in seconds; the uploader goes on after that.
_PATIENCE = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_store_arguments(parser)
    parser.add_argument("job", metavar="JOB", help="which job; all its ranks go back together")
    parser.add_argument(
        "number", metavar="N", type=int, help="the number of the checkpoint (of the first rank)"
    )
    parser.add_argument("--dry-run", action="store_true", help="only check it, and say what would be done")


def run(options: argparse.Namespace) -> int:
    """Run the command; give its exit status."""
    opened = OpenStore(options)
    job = opened.job(options.job)
    waiting: list[str] = []
    with nullcontext(list(opened.lines(job))) if options.dry_run else opened.writing(job) as lines:
        before = {line.rank: max(line.numbers(), default=None) for line in lines}
        pairs = to_roll_back(lines, options.number)
        made: list[Checkpoint | None] = [None] * len(pairs)
        if not options.dry_run:
            made = [*rolled_back(pairs)]
            waiting = [told for line, _ in pairs if (told := _settled(line)) is not None]
    rows: list[dict[str, object]] = [
        {
            "job": job,
            "rank": line.rank,
            "to": old.number,
            "checkpoint": new.number if new else None,
            "newest": before[line.rank],
        }
        for (line, old), new in zip(pairs, made, strict=True)
    ]
    if options.json:
        print_json(rows)
        return OK
    _tell(rows, waiting)
    return OK


def _tell(rows: list[dict[str, object]], waiting: list[str]) -> None:
    for row in rows:
        sys.stdout.write(_told(row, several=len(rows) > 1))
    for told in waiting:
        sys.stderr.write(f"lattice rollback: {told}\n")
    job, newest = rows[0]["job"], rows[0]["newest"]
    if newest != rows[0]["to"] and rows[0]["checkpoint"] is not None:
        sys.stdout.write(
            f"checkpoint {newest} was the newest until now, and stays until its time has come: "
            f"`lattice keep {job} {newest}` lets it stay for good\n"
        )


def _settled(line: Line) -> str | None:
    return line.store.settle(line.folder, _PATIENCE, _untold)


def _untold(told: str) -> None:
    del told


def _told(row: dict[str, object], *, several: bool) -> str:
    who = f"{row['job']}, rank {row['rank']}" if several else f"{row['job']}"
    if row["checkpoint"] is None:
        return f"{who}: checkpoint {row['to']} is whole, and would become the newest one\n"
    return f"{who}: carries on from checkpoint {row['to']}, as checkpoint {row['checkpoint']}\n"
