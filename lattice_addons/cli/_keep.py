"""``lattice keep``: gives a checkpoint a name, so that it stays."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from lattice_addons.checkpoint import check_key
from lattice_addons.errors import CheckpointError, NotInStoreError

from ._output import print_json, print_table
from ._rank import add_rank_argument, line_of
from ._status import USAGE
from ._store import OpenStore, add_store_arguments

if TYPE_CHECKING:
    import argparse

    from lattice_addons.checkpoint import Line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_store_arguments(parser)
    add_rank_argument(parser)
    parser.add_argument("job", metavar="JOB", help="which job")
    parser.add_argument(
        "number", metavar="N", type=int, nargs="?", help="which checkpoint (default: list all)"
    )
    parser.add_argument("--name", default="kept", help="what to call it (default: kept)")
    parser.add_argument(
        "--drop", action="store_true", help="take the name off: it goes when its time has come"
    )


def run(options: argparse.Namespace) -> int:
    """Run the command; give its exit status."""
    opened = OpenStore(options)
    line = line_of(opened, opened.job(options.job), options.rank)
    if options.number is None and options.drop:
        sys.stderr.write(
            "lattice keep: --drop needs N, the number of the checkpoint whose name to take off\n"
        )
        return USAGE
    if options.number is None:
        return _list(line, as_json=options.json)
    # Before a key is made of it, which not every number can be.
    if options.number not in {*line.numbers(), *line.keeps.numbers()}:
        there = ", ".join(map(str, line.numbers())) or "none"
        message = f"job {line.job!r} has no checkpoint {options.number} in {line.store.url}; it has: {there}"
        raise NotInStoreError(message, url=line.store.url, key=line.job)
    if options.drop:
        line.keeps.drop(options.number)
        told, name = "stays no longer than others", None
    else:
        # A name is as secret as the checkpoint that has it.
        check_key(line)
        line.keeps.put(options.number, options.name)
        name = line.keeps.names()[options.number]
        told = f"stays, as {name!r}"
    if options.json:
        print_json({"job": line.job, "rank": line.rank, "checkpoint": options.number, "name": name})
    else:
        sys.stdout.write(f"checkpoint {options.number} of job {line.job!r} {told}\n")
    return 0


def _list(line: Line, *, as_json: bool) -> int:
    rows = [_row(line, number, name) for number, name in line.keeps.names().items()]
    if as_json:
        print_json(rows)
    else:
        print_table(f"{line.job}, rank {line.rank}: kept", rows, right=("checkpoint",), empty=" nothing")
    return 0


def _row(line: Line, number: int, name: str) -> dict[str, object]:
    try:
        created = line.load(number).created
    except (CheckpointError, NotInStoreError):
        created = None  # it was damaged, or taken away
    return {"checkpoint": number, "name": name or None, "created": created}
