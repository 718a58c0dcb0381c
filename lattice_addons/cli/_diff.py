"""``lattice diff``: what changed from one checkpoint to another, without unpickling anything."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lattice_addons.service import changed_hyperparams, changed_slots

from ._output import print_json, print_table, size
from ._rank import add_rank_argument, checkpoint_of, line_of
from ._store import OpenStore, add_store_arguments

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator


# How many changes within one value a table shows, and how much of each.
_CHANGES, _SHOWN = 8, 40


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_store_arguments(parser)
    parser.add_argument("job", metavar="JOB", help="which job")
    parser.add_argument("before", type=int, metavar="A", help="the number of a checkpoint")
    parser.add_argument("after", type=int, metavar="B", help="the number of the one to compare it with")
    add_rank_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Run the command; give its exit status."""
    opened = OpenStore(options)
    line = line_of(opened, opened.job(options.job), options.rank)
    before, after = checkpoint_of(line, options.before), checkpoint_of(line, options.after)
    changes = list(changed_slots(before, after))
    others = list(changed_hyperparams(before, after))
    if options.json:
        print_json(changes + others)
        return 0
    rows = [
        {
            "slot": change["slot"],
            "change": change["change"],
            "before": _size(change["size_before"]),
            "after": _size(change["size_after"]),
            "what": "\n".join(_told(change)),
        }
        for change in changes
    ]
    title = f"{line.job}, checkpoints {options.before} and {options.after}"
    if rows or not others:
        print_table(title, rows, right=("before", "after"), empty=": no difference")
    if others:
        sides = ("before", "after")
        told = [
            {
                "manager": each["manager"],
                "name": each["hyperparam"],
                **{side: _shown(each, side) for side in sides},
            }
            for each in others
        ]
        print_table(f"{title}: hyper-parameters", told)
    return 0


def _told(change: dict[str, Any]) -> Iterator[str]:
    """Say it to people."""
    for field in ("manager", "encoding", "type"):
        if field in change:
            yield f"{field}: {change[field]['before']} → {change[field]['after']}"
    values = change.get("values", [])
    for each in values[:_CHANGES]:
        place = f"{each['path']}: " if each["path"] else ""
        yield f"{place}{_shown(each, 'before')} → {_shown(each, 'after')}"
    if len(values) > _CHANGES:
        yield f"and {len(values) - _CHANGES} more"
    if "chunks" in change:
        told = f"{change['chunks_new']} of {change['chunks']} chunks"
        yield f"{size(change['bytes_new'])} new, in {told}"


def _shown(each: dict[str, Any], which: str) -> str:
    if which not in each:
        return "nothing"
    text = json.dumps(each[which], ensure_ascii=False)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _size(count: int | None) -> str | None:
    return None if count is None else size(count)
