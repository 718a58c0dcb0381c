"""``lattice choose``: of the lines of a job that went on in two places, says which one goes on."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from lattice_addons.checkpoint import chosen
from lattice_addons.errors import CheckpointError, NotInStoreError

from ._clear import confirmed
from ._output import counted, print_json, print_table
from ._rank import say_where_it_parts
from ._status import NO
from ._store import OpenStore, add_store_arguments, spooled

if TYPE_CHECKING:
    import argparse

    from lattice_addons.checkpoint import Line
    from lattice_addons.storage import Aside

_REMOTE = "remote"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_store_arguments(parser)
    parser.add_argument("job", nargs="?", metavar="JOB", help="which job (default: the only one)")
    parser.add_argument(
        "line",
        nargs="?",
        metavar="LINE",
        help="the number of a line that was put aside: it goes on, as a new checkpoint; "
        "or `remote`: the one in the remote store goes on, and those that were put aside are removed",
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run(options: argparse.Namespace) -> int:
    """Run the command; give its exit status: 1 when it was not confirmed."""
    opened = OpenStore(options)
    job = opened.job(options.job)
    asides = {line.rank: asides_of(line) for line in opened.lines(job)}
    if options.line is None:
        return _list(opened, job, asides, as_json=options.json)
    found = {aside.number for some in asides.values() for aside in some}
    if options.line == _REMOTE:
        return _keep_remote(opened, job, asides, options)
    if not options.line.isdecimal() or int(options.line) not in found:
        there = ", ".join(map(str, sorted(found))) or "none"
        message = f"job {job!r} in {opened.store.url} has no line {options.line!r}; put aside on this machine: {there}"
        raise NotInStoreError(message, url=opened.store.url, key=job)
    rows = []
    store = spooled(opened.store)
    with opened.writing(job) as lines:
        for line in lines:
            for aside in asides[line.rank]:
                if aside.number == int(options.line) and store is not None:
                    made = chosen(line, store, aside)
                    rows.append(
                        {"job": job, "rank": line.rank, "line": aside.number, "checkpoint": made.number}
                    )
    if options.json:
        print_json(rows)
        return 0
    for row in rows:
        told = f"line {row['line']} goes on, as checkpoint {row['checkpoint']}"
        sys.stdout.write(f"{job}, rank {row['rank']}: {told}\n")
    return 0


def asides_of(line: Line) -> list[Aside]:
    """Give the lines of a rank that were put aside on this machine."""
    store = spooled(line.store)
    return store.asides.of(line.folder) if store is not None else []


def _list(opened: OpenStore, job: str, asides: dict[int, list[Aside]], *, as_json: bool) -> int:
    rows = []
    for line in opened.lines(job):
        say_where_it_parts(line)
        rows.append(_row(line, _REMOTE))
        for aside in asides[line.rank]:
            other = type(line)(aside.store, line.job, line.rank, settings=line.settings)
            rows.append(_row(other, str(aside.number), aside.about.get("ours")))
    if as_json:
        print_json(rows)
    else:
        print_table(f"{job} in {opened.store.url}", rows, right=("rank", "checkpoints", "newest"))
        if not any(asides.values()):
            print("no line was put aside on this machine")
    return 0


def _row(line: Line, name: str, about: object = None) -> dict[str, object]:
    facts = about if isinstance(about, dict) else {}
    row: dict[str, object] = {"rank": line.rank, "line": name, "checkpoints": len(line.numbers())}
    try:
        newest = line.newest()
    except CheckpointError as error:
        return row | {"newest": None, "created": None, "host": facts.get("host"), "reason": str(error)}
    host = facts.get("host") or (newest.program.get("host") if newest is not None else None)
    return row | {
        "newest": newest.number if newest is not None else None,
        "created": newest.created[:19] if newest is not None else None,
        "host": host,
        "reason": newest.reason if newest is not None else None,
    }


def _keep_remote(
    opened: OpenStore, job: str, asides: dict[int, list[Aside]], options: argparse.Namespace
) -> int:
    doomed = [aside for some in asides.values() for aside in some]
    question = f"Remove {counted(len(doomed), 'line')} of job {job!r}, put aside on this machine?"
    if doomed and not options.yes and not confirmed("choose", question):
        return NO
    store = spooled(opened.store)
    if store is not None:
        for aside in doomed:
            store.asides.drop(aside)
    if options.json:
        print_json({"job": job, "removed": len(doomed)})
    else:
        sys.stdout.write(
            f"{job}: the line in {opened.store.url} goes on; removed {len(doomed)} that were put aside\n"
        )
    return 0
