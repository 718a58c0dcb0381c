"""``lattice diff``: what changed from one checkpoint to another, without unpickling anything."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ._output import print_json, print_table, size
from ._rank import add_rank_argument, checkpoint_of, line_of
from ._store import OpenStore, add_store_arguments

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from lattice_addons.checkpoint import Checkpoint, Entry

NAME = "diff"
HELP = "show what changed from one checkpoint of a job to another"
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
    changes = list(_changes(before, after))
    others = list(_hyperparams(before, after))
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


def _changes(before: Checkpoint, after: Checkpoint) -> Iterator[dict[str, Any]]:
    """Give the slots that are not the same; those of the later one in its order, then those that are gone."""
    old, new = dict(before.slots.items()), dict(after.slots.items())
    for name, entry in new.items():
        if name not in old:
            yield _change(name, "added", None, entry)
        elif _content(old[name]) != _content(entry):
            yield _change(name, "changed", old[name], entry) | _difference(old[name], entry)
    for name, entry in old.items():
        if name not in new:
            yield _change(name, "removed", entry, None)


def _hyperparams(before: Checkpoint, after: Checkpoint) -> Iterator[dict[str, Any]]:
    """Give the hyper-parameters whose values are not the same, or that only one of the two has."""
    for manager in dict.fromkeys((*after.hyperparams, *before.hyperparams)):
        old, new = before.hyperparams.get(manager, {}), after.hyperparams.get(manager, {})
        for name in dict.fromkeys((*new, *old)):
            values = {which: each[name] for which, each in (("before", old), ("after", new)) if name in each}
            # As in a slot: 1, 1.0 and true are equal to Python, and not the same value.
            if len(values) == 1 or json.dumps(values["before"]) != json.dumps(values["after"]):
                yield {"manager": manager, "hyperparam": name, **values}


def _content(entry: Entry) -> tuple[object, ...]:
    """Give what makes two entries the same: where their bytes lie does not matter."""
    digests = [[chunk.digest for chunk in buffer] for buffer in entry.buffers]
    return entry.manager, entry.encoding, entry.type, entry.value, entry.at, digests


def _change(name: str, what: str, before: Entry | None, after: Entry | None) -> dict[str, Any]:
    return {
        "slot": name,
        "change": what,
        "size_before": before.size if before is not None else None,
        "size_after": after.size if after is not None else None,
    }


def _difference(before: Entry, after: Entry) -> dict[str, Any]:
    """Say in what two entries differ: as what they are stored, in their values, in their bytes."""
    found: dict[str, Any] = {}
    for field in ("manager", "encoding", "type"):
        if getattr(before, field) != getattr(after, field):
            found[field] = {"before": getattr(before, field), "after": getattr(after, field)}
    if before.value != after.value and before.value is not None and after.value is not None:
        found["values"] = list(_values("", json.loads(before.value), json.loads(after.value)))
    known = {chunk.digest for chunk in before.chunks()}
    chunks = {chunk.digest: chunk.length for chunk in after.chunks()}
    new = [length for digest, length in chunks.items() if digest not in known]
    if [*before.chunks()] or chunks:
        found |= {"bytes_new": sum(new), "chunks_new": len(new), "chunks": len(chunks)}
    return found


def _values(path: str, before: Any, after: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - any JSON
    """Give the innermost places at which two values differ."""
    if type(before) is type(after) is dict:
        for key in {**before, **after}:
            place = f"{path}[{json.dumps(key, ensure_ascii=False)}]"
            if key not in before:
                yield {"path": place, "after": after[key]}
            elif key not in after:
                yield {"path": place, "before": before[key]}
            else:
                yield from _values(place, before[key], after[key])
    elif type(before) is type(after) is list and len(before) == len(after):
        for index, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from _values(f"{path}[{index}]", old, new)
    # 1, 1.0 and true are equal to Python, and not the same value.
    elif json.dumps(before) != json.dumps(after):
        yield {"path": path, "before": before, "after": after}


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
