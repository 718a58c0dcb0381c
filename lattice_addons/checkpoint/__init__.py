"""What a checkpoint is: chunks, packs, manifest, commit, read, verify, retain, lease."""

from __future__ import annotations

from lattice_addons.checkpoint._export import exported
from lattice_addons.checkpoint._import import imported
from lattice_addons.checkpoint._jobs import clear, jobs, ranks, running
from lattice_addons.checkpoint._line import Line
from lattice_addons.checkpoint._model import Checkpoint, Chunk, Entry, Finding, Fresh
from lattice_addons.checkpoint._portable import Portable
from lattice_addons.checkpoint._prune import Prune, prunable, prune
from lattice_addons.checkpoint._repair import Repair, repair
from lattice_addons.checkpoint._slots import Slots
from lattice_addons.checkpoint._tables import SMALL, ends_table, table_text

__all__ = [
    "SMALL",
    "Checkpoint",
    "Chunk",
    "Entry",
    "Finding",
    "Fresh",
    "Line",
    "Portable",
    "Prune",
    "Repair",
    "Slots",
    "clear",
    "ends_table",
    "exported",
    "imported",
    "jobs",
    "prunable",
    "prune",
    "ranks",
    "repair",
    "running",
    "table_text",
]
