"""Where the checkpoints of a remote store are by now, and what keeps them here, in words."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from lattice_addons.checkpoint import places

from ._choose import asides_of
from ._store import spooled

if TYPE_CHECKING:
    from lattice_addons.checkpoint import Line
    from lattice_addons.storage import Store

#: Before what `kept_here` says.
NOTHING_SENT = "nothing is sent: "


def places_of(line: Line) -> dict[str, object]:
    """Give the columns of a line in a remote store: where each checkpoint is, and what was put or is kept here."""
    if line.store.at_home:
        return {}
    aside = [{"line": each.number, "ours": each.ours, "theirs": each.theirs} for each in asides_of(line)]
    return {"where": places(line), "aside": aside, "kept_here": kept_here(line.store, line.folder)}


def kept_here(store: Store, folder: str) -> str | None:
    """Say why what this machine has of a rank is sent no more until somebody sees to it, as where the lines parted.

    It is what the uploader has written down: the store is not asked.
    """
    opened = spooled(store)
    trouble = opened.spool.trouble(folder) if opened is not None else None
    return str(trouble.get("error")) if trouble is not None and trouble.get("stuck") else None


def all_kept_here(store: Store, job: str) -> list[str]:
    """Say it of every rank of a job."""
    opened = spooled(store)
    folders = opened.spool.folders() if opened is not None else []
    found = (kept_here(store, folder) for folder in folders if folder.startswith(f"{job}/"))
    return [why for why in found if why is not None]


def take_words(row: dict[str, object]) -> list[str]:
    """Put what `places_of` gave into words: where the newest checkpoint is in a cell, and the rest beside the table."""
    told, kept, where = row.pop("aside", None), row.pop("kept_here", None), row.get("where")
    sentences = [f"{row['job']}, rank {row['rank']}: {NOTHING_SENT}{kept}"] if kept else []
    if isinstance(where, dict):
        row["where"] = where[max(where)] if where else None
        if len(set(where.values())) > 1:
            sentences.append(f"{row['job']}, rank {row['rank']}: checkpoints {_in_words(where)}")
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
