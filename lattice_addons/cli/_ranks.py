"""How far all ranks of a job are, in fields for programs and in words for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons.checkpoint import instants

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lattice_addons.checkpoint import Checkpoint, Line

__all__ = ["of_checkpoint", "of_jobs"]


def of_jobs(lines: Sequence[Line]) -> tuple[list[dict[str, object]], list[str]]:
    """Give the fields of each line that say what its job has on all ranks, and in a sentence what each job has."""
    known: dict[str, dict[str, object]] = {}
    words: list[str] = []
    for line in lines:
        if line.job not in known:
            complete, lacking = instants(line)
            known[line.job] = {
                "complete": str(complete) if complete is not None else None,
                "incomplete": str(lacking.instant) if lacking is not None else None,
                "lacking": list(lacking.ranks) if lacking is not None else None,
            }
            has = f"all ranks have {complete}" if complete is not None else "nothing is there of all ranks"
            if complete is not None or lacking is not None:
                words.append(f"{line.job}: {has}" + (f"; {lacking}" if lacking is not None else ""))
    return [known[line.job] for line in lines], words


def of_checkpoint(line: Line, checkpoint: Checkpoint) -> list[str]:
    """Say in words which checkpoint of the job this one is a part of; nothing where the job is one process."""
    part = checkpoint.part
    if part is None:
        return []
    told = [f"part of {part.instant} of attempt {part.attempt}, of {part.world} ranks"]
    _, lacking = instants(line)
    if not part.counts:
        told.append("made at a moment of this rank alone: it does not count for the job")
    elif lacking is not None and (lacking.attempt, lacking.instant) == part.place:
        told.append(str(lacking))
    return told
