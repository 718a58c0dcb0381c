"""``lattice show``: a checkpoint, or the value of one slot, without unpickling anything."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from lattice_addons.checkpoint import found
from lattice_addons.encoding import decode, needs_pickle
from lattice_addons.errors import UnknownSlotError
from lattice_addons.service import (
    arrays_text,
    mean_text,
    nonfinite_text,
    range_text,
    sample_text,
    shape_text,
)
from lattice_addons.state import SaveCosts

from ._output import plain, print_json, print_table, size
from ._rank import add_rank_argument, checkpoint_of, line_of
from ._ranks import of_checkpoint
from ._store import OpenStore, add_store_arguments

if TYPE_CHECKING:
    import argparse

    from lattice_addons.checkpoint import Checkpoint, Entry, Line, Summary

_BARS = " ▁▂▃▄▅▆▇█"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_store_arguments(parser)
    parser.add_argument("job", nargs="?", metavar="JOB", help="which job (default: the only one)")
    parser.add_argument("slot", nargs="?", metavar="SLOT", help="show this slot's value")
    parser.add_argument("--number", type=int, metavar="N", help="checkpoint N instead of the newest")
    add_rank_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Run the command; give its exit status."""
    opened = OpenStore(options)
    line = line_of(opened, opened.job(options.job), options.rank)
    checkpoint = checkpoint_of(line, options.number)
    if options.slot is not None:
        _show_slot(line, checkpoint, options.slot, as_json=options.json)
    elif options.json:
        part = {"part": checkpoint.part.told()} if checkpoint.part is not None else {}
        print_json(
            _header(checkpoint)
            | part
            | {"slots": {name: _row(name, e) for name, e in checkpoint.slots.items()}}
        )
    else:
        _show_checkpoint(checkpoint)
        for told in of_checkpoint(line, checkpoint):
            print(plain(told))
    return 0


def _header(checkpoint: Checkpoint) -> dict[str, object]:
    names = (
        "job",
        "rank",
        "number",
        "parent",
        "created",
        "reason",
        "notes",
        "program",
        "hyperparams",
        "metrics",
    )
    return {name: getattr(checkpoint, name) for name in names}


def _row(name: str, entry: Entry) -> dict[str, object]:
    value = json.loads(entry.value) if entry.value is not None else None
    return {
        "slot": name,
        "manager": entry.manager,
        "encoding": entry.encoding,
        "type": entry.type,
        "size": entry.size,
        "value": value,
    } | ({"arrays": [summary.told() for summary in entry.summaries]} if entry.summaries else {})


def _show_checkpoint(checkpoint: Checkpoint) -> None:
    rows = []
    for name, entry in checkpoint.slots.items():
        row = _row(name, entry)
        text = arrays_text(entry.summaries) or (entry.value.decode() if entry.value is not None else "")
        row.pop("arrays", None)
        row["size"] = size(entry.size)
        row["value"] = text if len(text) <= 60 else text[:59] + "…"  # noqa: PLR2004 - what a row has room for
        rows.append(row)
    title = f"{checkpoint.job}, checkpoint {checkpoint.number}, {checkpoint.created}, {checkpoint.reason}"
    print_table("; ".join((title, *checkpoint.notes)), rows, right=("size",))
    for manager, values in checkpoint.hyperparams.items():
        told = [
            {"name": name, "value": json.dumps(value, ensure_ascii=False)} for name, value in values.items()
        ]
        print_table(f"hyper-parameters of {manager}", told)
    if checkpoint.metrics:
        print(f"saved: {SaveCosts.of(checkpoint.metrics)}")


def _show_slot(line: Line, checkpoint: Checkpoint, name: str, *, as_json: bool) -> None:
    entry = checkpoint.slots.get(name)
    if entry is None:
        known = ", ".join(map(repr, checkpoint.slots)) or "none"
        message = (
            f"checkpoint {checkpoint.number} of {checkpoint.job!r} has no slot {name!r}; it has: {known}"
        )
        raise UnknownSlotError(message, slot=name)
    # What another rank stores for all is shown as that has it.
    line, entry, _ = found(line, entry, name)
    row = _row(name, entry)
    if not needs_pickle(entry.encoding):
        value, buffers = line.read(entry, slot=name)
        if entry.encoding == "json":
            row["value"] = decode(entry.encoding, value, buffers, trust="safe", type=entry.type)
        elif value is not None:
            row["value"] = json.loads(value)
    if as_json:
        print_json(row)
    elif entry.encoding == "json":
        print_json(row["value"])
    else:
        # A pickle runs code when it is read, so it is described and not opened.
        row["size"] = size(entry.size)
        row.pop("arrays", None)
        print_table(f"{checkpoint.job}, checkpoint {checkpoint.number}", [row], right=("size",))
        if entry.summaries:
            print_table(
                "arrays, as the program saw them when it saved",
                [_array(summary) for summary in entry.summaries],
                right=("mean", "looked at"),
            )


def _array(summary: Summary) -> dict[str, object]:
    """Give the row of an array."""
    spread = tuple(filter(None, (range_text(summary), nonfinite_text(summary))))
    return {
        "where": summary.path or "the value",
        "elements": summary.dtype,
        "shape": shape_text(summary),
        "range": ", ".join(spread),
        "mean": mean_text(summary),
        "spread": _bars(summary.histogram),
        "looked at": sample_text(summary),
    }


def _bars(histogram: tuple[int, ...]) -> str:
    """Draw a histogram in letters."""
    most = max(histogram, default=0)
    return "".join(_BARS[-(-count * (len(_BARS) - 1) // most)] for count in histogram)
