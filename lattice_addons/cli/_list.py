"""``lattice list``: the jobs of a store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons.errors import CheckpointError

from ._output import print_json, print_table, size
from ._store import OpenStore, add_store_arguments

if TYPE_CHECKING:
    import argparse

    from lattice_addons.checkpoint import Line

NAME = "list"
HELP = "list the jobs of a store and the newest checkpoint of each"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_store_arguments(parser)
    parser.add_argument("job", nargs="?", metavar="JOB", help="only this job")


def run(options: argparse.Namespace) -> int:
    """Run the command; give its exit status."""
    opened = OpenStore(options)
    rows = [_row(line) for job in opened.jobs(options.job) for line in opened.lines(job)]
    if options.json:
        print_json(rows)
        return 0
    for row in rows:
        row["bytes"] = size(row["bytes"]) if isinstance(row["bytes"], int) else None
    print_table(opened.store.url, rows, right=("rank", "checkpoints", "newest", "slots", "bytes"))
    return 0


def _row(line: Line) -> dict[str, object]:
    row: dict[str, object] = {"job": line.job, "rank": line.rank, "checkpoints": len(line.numbers())}
    try:
        newest = line.newest()
    except CheckpointError as error:
        return row | {"newest": None, "created": None, "reason": str(error), "slots": None, "bytes": None}
    if newest is None:
        return row | {"newest": None, "created": None, "reason": None, "slots": 0, "bytes": 0}
    return row | {
        "newest": newest.number,
        "created": newest.created,
        "reason": newest.reason,
        "slots": len(newest.slots),
        "bytes": sum(entry.size for entry in newest.slots.values()),
    }
