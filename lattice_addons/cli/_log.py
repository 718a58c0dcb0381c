"""``lattice log``: the checkpoints of a job, newest first, and the saves that were refused between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons.checkpoint import check_key, refusals
from lattice_addons.errors import CheckpointError, NotInStoreError

from ._output import print_json, print_table, size, took
from ._rank import add_rank_argument, line_of
from ._store import OpenStore, add_store_arguments

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from lattice_addons.checkpoint import Line, Refused

_RIGHT = ("number", "new", "total", "took")
# So much of an error is shown to people.
_LONG = 300


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_store_arguments(parser)
    parser.add_argument("job", nargs="?", metavar="JOB", help="which job (default: the only one)")
    add_rank_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Run the command; give its exit status."""
    opened = OpenStore(options)
    line = line_of(opened, opened.job(options.job), options.rank)
    check_key(line)
    made = [
        row for number in line.fetched(reversed(line.numbers())) if (row := _row(line, number)) is not None
    ]
    rows = list(_with_refused(made, refusals(line).all()))
    if options.json:
        print_json(rows)
        return 0
    print_table(f"{line.job}, rank {line.rank}", [_shown(row) for row in rows], right=_RIGHT)
    return 0


def _shown(row: dict[str, object]) -> dict[str, object]:
    """Give the row that people see."""
    refused, seconds, created, notes = (row[name] for name in ("refused", "seconds", "created", "notes"))
    if isinstance(refused, dict):
        notes = [_in_words(refused)]
    return {
        "number": row["number"],
        # For people the second will do.
        "created": str(created)[:19] if created is not None else None,
        "reason": row["reason"],
        **{name: size(amount) if isinstance(amount := row[name], int) else None for name in ("new", "total")},
        "took": took(seconds) if isinstance(seconds, (int, float)) else None,
        "notes": "\n".join(notes) if isinstance(notes, list) else None,
    }


def _with_refused(rows: list[dict[str, object]], refused: list[Refused]) -> Iterator[dict[str, object]]:
    """Put what was refused between the checkpoints, by time; these are in the order of their numbers."""
    left = list(refused)
    for row in rows:
        while left and left[-1].time > str(row["created"] or "~"):
            yield _refused_row(left.pop())
        yield row | {"refused": None}
    yield from map(_refused_row, reversed(left))


def _refused_row(refused: Refused) -> dict[str, object]:
    unknown = dict.fromkeys(("new", "total", "seconds"))
    told = {"notes": [refused.text], "refused": refused.told()}
    return {"number": None, "created": refused.time, "reason": refused.reason} | unknown | told


def _in_words(refused: dict[str, object]) -> str:
    what = "not saved" if refused["checkpoint"] is None else f"saved in part, as {refused['checkpoint']}"
    times = f", {refused['times']} times since {str(refused['since'])[:19]}" if refused["times"] != 1 else ""
    text = str(refused["text"])
    return f"{what}{times}: {refused['error']}: {text if len(text) <= _LONG else text[: _LONG - 1] + '…'}"


def _row(line: Line, number: int) -> dict[str, object] | None:
    row: dict[str, object] = {"number": number}
    try:
        checkpoint = line.load(number)
    except NotInStoreError:
        return None  # retention deleted it meanwhile
    except CheckpointError as error:
        unknown = dict.fromkeys(("created", "reason", "new", "total", "seconds"))
        return row | unknown | {"notes": [str(error)]}
    metrics = checkpoint.metrics
    return row | {
        "created": checkpoint.created,
        "reason": checkpoint.reason,
        "new": _number(metrics.get("bytes_new")),
        "total": _number(metrics.get("bytes_total")),
        "seconds": _number(metrics.get("seconds")),
        "notes": list(checkpoint.notes),
    }


def _number(told: object) -> int | float | None:
    """Give what metrics say, which is for people and may have been edited by them."""
    return told if type(told) in (int, float) else None  # type: ignore[return-value]
