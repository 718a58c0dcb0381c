"""Where the checkpoints of a remote store are by now, in words."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from lattice_addons.checkpoint import places

from ._choose import asides_of

if TYPE_CHECKING:
    from lattice_addons.checkpoint import Line


def places_of(line: Line) -> dict[str, object]:
    """Give the columns of a line in a remote store: where each checkpoint is, and what was put aside here."""
    if line.store.at_home:
        return {}
    aside = [{"line": each.number, "ours": each.ours, "theirs": each.theirs} for each in asides_of(line)]
    return {"where": places(line), "aside": aside}


def take_words(row: dict[str, object]) -> list[str]:
    """Put what `places_of` gave into words: where the newest checkpoint is in a cell, and the rest beside the table."""
    told, where = row.pop("aside", None), row.get("where")
    sentences = []
    if isinstance(where, dict):
        row["where"] = where[max(where)] if where else None
        if len(set(where.values())) > 1:
            sentences = [f"{row['job']}, rank {row['rank']}: checkpoints {_in_words(where)}"]
    return sentences + [
        f"{row['job']}, rank {row['rank']}: {each['ours']} was put aside, as line {each['line']}: "
        f"see `lattice choose {row['job']}`"
        for each in (told if isinstance(told, list) else ())
    ]


def _in_words(where: dict[int, str]) -> str:
    """Tell checkpoints that follow each other and are at the same place together: ``40-42 remote, 43 uploading``."""
    parts = []
    for place, group in groupby(sorted(where.items()), key=lambda each: each[1]):
        numbers = [number for number, _ in group]
        shown = str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]}-{numbers[-1]}"
        parts.append(f"{shown} {place}")
    return ", ".join(parts)
