"""``lattice list``: the jobs of a store, and what those that run would lose if they were killed now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons.checkpoint import running
from lattice_addons.errors import CheckpointError, WrongKeyError
from lattice_addons.service import Jobs

from ._apart import Apart
from ._glance import ago
from ._output import duration, plain, print_json, print_table, size
from ._places import places_of, take_words
from ._ranks import of_jobs
from ._store import OpenStore, add_store_arguments

if TYPE_CHECKING:
    import argparse

    from lattice_addons.checkpoint import Line
    from lattice_addons.service import RankView


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_store_arguments(parser)
    parser.add_argument("job", nargs="?", metavar="JOB", help="only this job")


def run(options: argparse.Namespace) -> int:
    """Run the command; give its exit status."""
    opened = OpenStore(options)
    views = Jobs(opened.store, opened.settings)
    apart = Apart("list")
    found: list[tuple[dict[str, object], RankView]] = []
    told_of_jobs: list[str] = []
    for job in opened.folders(options.job):
        with apart.of(job):
            rows_of_job, told_of_job = _of_job(list(opened.lines(job)), views)
            found += rows_of_job
            told_of_jobs += told_of_job
    rows = [row for row, _ in found]
    if options.json:
        print_json(rows)
        return apart.status
    # Beside the table: in a column of it a sentence would be folded into a word a line.
    runs = [_now(row, *(row.pop(name) for name in ("running", "age", "unsaved"))) for row in rows]
    asides = [text for row in rows for text in take_words(row)]
    shown = [_shown(row, view) for row, view in found]
    print_table(opened.store.url, shown, right=("rank", "newest", "saved", "slots", "bytes"))
    for sentence in filter(None, (*runs, *asides, *told_of_jobs)):
        print(plain(sentence))
    return apart.status


def _of_job(lines: list[Line], views: Jobs) -> tuple[list[tuple[dict[str, object], RankView]], list[str]]:
    """Give the row of each rank of a job, and how it stands; and what is to be said of the job."""
    seen = [views.rank(line.job, line.rank) for line in lines]
    rows = [_row(line, view) | places_of(line) for line, view in zip(lines, seen, strict=True)]
    ranks, told = of_jobs(lines)
    return [(row | rank, view) for row, rank, view in zip(rows, ranks, seen, strict=True)], told


def _shown(row: dict[str, object], view: RankView) -> dict[str, object]:
    """Give the row that people see, which fits a terminal."""
    given = {name: row[name] for name in ("job", "rank", "state", "newest")}
    amount = row["bytes"]
    where = {"where": row["where"]} if "where" in row else {}
    return (
        given
        | {
            "saved": ago(view.recent[0].created) if view.recent else None,
            "reason": row["reason"],
            "slots": row["slots"],
        }
        | {"bytes": size(amount) if isinstance(amount, int) else None}
        | where
    )


def _row(line: Line, view: RankView) -> dict[str, object]:
    row: dict[str, object] = {
        "job": line.job,
        "rank": line.rank,
        "state": view.state,
        "checkpoints": len(line.numbers()),
    }
    unknown = dict.fromkeys(("newest", "created", "reason", "slots", "bytes"))
    held = running(line.store, line.job, line.rank)
    runs: dict[str, object] = {
        # A store elsewhere has no leases: another machine may write it, which its claim tells.
        "running": None if held is False and view.lost_seconds is not None else held,
        "age": view.lost_seconds,
        "unsaved": view.lost_bytes,
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
