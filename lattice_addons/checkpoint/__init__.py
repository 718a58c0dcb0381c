"""What a checkpoint is: chunks, packs, manifest, commit, read, verify, retain, lease."""

from __future__ import annotations

from lattice_addons.checkpoint._jobs import clear, jobs, ranks
from lattice_addons.checkpoint._line import Line
from lattice_addons.checkpoint._model import Checkpoint, Chunk, Entry, Finding, Fresh

__all__ = ["Checkpoint", "Chunk", "Entry", "Finding", "Fresh", "Line", "clear", "jobs", "ranks"]
