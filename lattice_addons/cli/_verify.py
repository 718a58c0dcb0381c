"""``lattice verify``: reads every byte of a job and says what is damaged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons.errors import DamagedError

from ._apart import Apart
from ._output import print_json, print_table
from ._progress import shown
from ._status import OK
from ._store import OpenStore, add_store_arguments

if TYPE_CHECKING:
    import argparse

    from lattice_addons.checkpoint import Line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_store_arguments(parser)
    parser.add_argument("job", nargs="?", metavar="JOB", help="only this job")


def run(options: argparse.Namespace) -> int:
    """Run the command; give its exit status: that of `DamagedError` when anything is damaged.

    That of what could not be read at all comes before it: the answer is not whole then.
    """
    opened = OpenStore(options)
    apart = Apart("verify")
    lines: list[Line] = []
    for job in opened.folders(options.job):
        with apart.of(job):
            lines += opened.lines(job)
    rows: list[dict[str, object]] = []
    for line in lines:
        with apart.of(f"{line.job}, rank {line.rank}"):
            rows += _rows(line)
    damaged = [row for row in rows if row["state"] != "good"]
    if options.json:
        print_json({"good": len(rows) - len(damaged), "damaged": damaged})
    else:
        counts = f"{len(rows) - len(damaged)} good, {len(damaged)} damaged"
        print_table(f"{opened.store.url}: {counts}", damaged, empty="")
    return apart.status or (DamagedError.exit_code if damaged else OK)


def _rows(line: Line) -> list[dict[str, object]]:
    with shown(f"{line.job}, rank {line.rank}") as progress:
        return [
            {
                "job": line.job,
                "rank": line.rank,
                "checkpoint": finding.number,
                "slot": finding.slot,
                "state": "good" if finding.error is None else str(finding.error),
            }
            for finding in line.verify(progress)
        ]
