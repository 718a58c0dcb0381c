"""What is different from one checkpoint to another, without unpickling anything."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lattice_addons.checkpoint import Checkpoint, Entry

__all__ = ["changed_hyperparams", "changed_slots", "changed_values", "content"]


def changed_slots(before: Checkpoint, after: Checkpoint) -> Iterator[dict[str, Any]]:
    """Give the slots that are not the same; those of the later one in its order, then those that are gone."""
    old, new = dict(before.slots.items()), dict(after.slots.items())
    for name, entry in new.items():
        if name not in old:
            yield _change(name, "added", None, entry)
        elif content(old[name]) != content(entry):
            yield _change(name, "changed", old[name], entry) | _difference(old[name], entry)
    for name, entry in old.items():
        if name not in new:
            yield _change(name, "removed", entry, None)


def changed_hyperparams(before: Checkpoint, after: Checkpoint) -> Iterator[dict[str, Any]]:
    """Give the hyper-parameters whose values are not the same, or that only one of the two has."""
    for manager in dict.fromkeys((*after.hyperparams, *before.hyperparams)):
        old, new = before.hyperparams.get(manager, {}), after.hyperparams.get(manager, {})
        for name in dict.fromkeys((*new, *old)):
            values = {which: each[name] for which, each in (("before", old), ("after", new)) if name in each}
            # As in a slot: 1, 1.0 and true are equal to Python, and not the same value.
            if len(values) == 1 or json.dumps(values["before"]) != json.dumps(values["after"]):
                yield {"manager": manager, "hyperparam": name, **values}


def changed_values(path: str, before: Any, after: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - any JSON
    """Give the innermost places at which two values differ."""
    if type(before) is type(after) is dict:
        for key in {**before, **after}:
            place = f"{path}[{json.dumps(key, ensure_ascii=False)}]"
            if key not in before:
                yield {"path": place, "after": after[key]}
            elif key not in after:
                yield {"path": place, "before": before[key]}
            else:
                yield from changed_values(place, before[key], after[key])
    elif type(before) is type(after) is list and len(before) == len(after):
        for index, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from changed_values(f"{path}[{index}]", old, new)
    # 1, 1.0 and true are equal to Python, and not the same value.
    elif json.dumps(before) != json.dumps(after):
        yield {"path": path, "before": before, "after": after}


def content(entry: Entry) -> tuple[object, ...]:
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
        found["values"] = list(changed_values("", json.loads(before.value), json.loads(after.value)))
    known = {chunk.digest for chunk in before.chunks()}
    chunks = {chunk.digest: chunk.length for chunk in after.chunks()}
    new = [length for digest, length in chunks.items() if digest not in known]
    if [*before.chunks()] or chunks:
        found |= {"bytes_new": sum(new), "chunks_new": len(new), "chunks": len(chunks)}
    return found
