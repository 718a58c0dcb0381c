"""``lattice list``: the jobs of a store, and what those that run would lose if they were killed now."""

from __future__ import annotations

from datetime import datetime, timezone
from itertools import islice
from typing import TYPE_CHECKING

from lattice_addons.checkpoint import running
from lattice_addons.errors import CheckpointError, WrongKeyError

from ._output import duration, print_json, print_table, size
from ._places import places_of, take_words
from ._ranks import of_jobs
from ._store import OpenStore, add_store_arguments

if TYPE_CHECKING:
    import argparse

    from lattice_addons.checkpoint import Checkpoint, Line

NAME = "list"
HELP = "list the jobs of a store, the newest checkpoint of each, and what running ones have not saved yet"
# From so many checkpoints it is estimated how fast a job makes something new.
_RECENT = 5
# With these a session ends: until the next one began, the job did not run.
_LAST = ("exit", "exception", "complete", "signal:")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_store_arguments(parser)
    parser.add_argument("job", nargs="?", metavar="JOB", help="only this job")


def run(options: argparse.Namespace) -> int:
    """Run the command; give its exit status."""
    opened = OpenStore(options)
    lines = [line for job in opened.jobs(options.job) for line in opened.lines(job)]
    rows = [_row(line) | places_of(line) for line in lines]
    ranks, told_of_jobs = of_jobs(lines)
    if options.json:
        print_json([row | of_ranks for row, of_ranks in zip(rows, ranks, strict=True)])
        return 0
    # Beside the table: in a column of it a sentence would be folded into a word a line.
    runs = [_now(row, *(row.pop(name) for name in ("running", "age", "unsaved"))) for row in rows]
    asides = [text for row in rows for text in take_words(row)]
    for row in rows:
        row["bytes"] = size(row["bytes"]) if isinstance(row["bytes"], int) else None
    print_table(opened.store.url, rows, right=("rank", "checkpoints", "newest", "slots", "bytes"))
    for told in filter(None, (*runs, *asides, *told_of_jobs)):
        print(told)
    return 0


def _row(line: Line) -> dict[str, object]:
    row: dict[str, object] = {"job": line.job, "rank": line.rank, "checkpoints": len(line.numbers())}
    unknown = dict.fromkeys(("newest", "created", "reason", "slots", "bytes"))
    runs: dict[str, object] = {
        "running": running(line.store, line.job, line.rank),
        "age": None,
        "unsaved": None,
    }
    try:
        newest = line.newest()
    except WrongKeyError:
        told = {
            "newest": line.numbers()[-1],
            "reason": "encrypted: set the key (LATTICE_ENCRYPTION_KEY) to see more",
        }
        return row | unknown | told | runs
    except CheckpointError as error:
        return row | unknown | {"reason": str(error)} | runs
    if newest is None:
        return row | unknown | {"slots": 0, "bytes": 0} | runs
    if runs["running"] is not False:
        age = _age(newest)
        runs |= {"age": age, "unsaved": _unsaved(line, newest, age) if age is not None else None}
    return row | {
        "newest": newest.number,
        "created": newest.created,
        "reason": newest.reason,
        "slots": len(newest.slots),
        "bytes": sum(entry.size for entry in newest.slots.values()),
        **runs,
    }


def _now(row: dict[str, object], runs: object, age: object, unsaved: object) -> str:
    """Say in words what a running job would lose; nothing of one that does not run."""
    if runs is False:
        return ""
    parts = [f"{row['job']}, rank {row['rank']}: {'running' if runs else 'perhaps running, elsewhere'}"]
    if isinstance(age, (int, float)):
        parts.append(f"saved {duration(age)} ago")
    if isinstance(unsaved, int):
        parts.append(f"about {size(unsaved)} not saved")
    return ", ".join(parts)


def _unsaved(line: Line, newest: Checkpoint, age: float) -> int | None:
    """Estimate how many bytes have changed since the newest checkpoint, from how many did before."""
    recent = [newest]
    for older in islice(line.history(before=newest.number), _RECENT - 1):
        if older.reason.startswith(_LAST):
            break
        recent.append(older)
    passed = (_age(recent[-1]) or 0.0) - age
    # The oldest one's bytes were new before the time that is looked at.
    new = sum(_count(checkpoint, "bytes_new") for checkpoint in recent[:-1])
    # One checkpoint tells no pace, and neither does a clock that was set back.
    return (
        min(int(new / passed * age), _count(newest, "bytes_total"))
        if len(recent) > 1 and passed > 0
        else None
    )


def _age(checkpoint: Checkpoint) -> float | None:
    try:
        created = datetime.fromisoformat(checkpoint.created.replace("Z", "+00:00")).astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None  # not written by this package
    return max((datetime.now(timezone.utc) - created).total_seconds(), 0.0)


def _count(checkpoint: Checkpoint, name: str) -> int:
    told = checkpoint.metrics.get(name)
    return told if isinstance(told, int) else 0
