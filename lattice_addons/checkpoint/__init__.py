"""What a checkpoint is: chunks, packs, manifest, commit, read, verify, retain, lease."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons._doors import later
from lattice_addons.checkpoint._line import Line
from lattice_addons.checkpoint._model import Checkpoint, Chunk, Entry, Finding, Fresh
from lattice_addons.checkpoint._part import END, UNNAMED, At, Instant, Part
from lattice_addons.checkpoint._shared import Found, found
from lattice_addons.checkpoint._slots import Slots
from lattice_addons.checkpoint._summary import Summary
from lattice_addons.checkpoint._tables import ends_table, is_small, table_text
from lattice_addons.checkpoint._texts import as_stored
from lattice_addons.checkpoint._together import STORES

if TYPE_CHECKING:
    from lattice_addons.checkpoint._choose import chosen
    from lattice_addons.checkpoint._cipher import cipher_of
    from lattice_addons.checkpoint._complete import Complete, Lacking
    from lattice_addons.checkpoint._export import exported
    from lattice_addons.checkpoint._import import imported
    from lattice_addons.checkpoint._jobs import clear, jobs, places, ranks, ranks_among, running
    from lattice_addons.checkpoint._mirror import Mirrored, mirrored
    from lattice_addons.checkpoint._portable import Portable
    from lattice_addons.checkpoint._prune import Prune, prunable, prune
    from lattice_addons.checkpoint._ranks import Ranks, instants
    from lattice_addons.checkpoint._readable import check_key
    from lattice_addons.checkpoint._refused import Refusals, Refused, refusals
    from lattice_addons.checkpoint._repair import Repair, repair
    from lattice_addons.checkpoint._rollback import rolled_back, to_roll_back

__all__ = [
    "END",
    "STORES",
    "UNNAMED",
    "At",
    "Checkpoint",
    "Chunk",
    "Complete",
    "Entry",
    "Finding",
    "Found",
    "Fresh",
    "Instant",
    "Lacking",
    "Line",
    "Mirrored",
    "Part",
    "Portable",
    "Prune",
    "Ranks",
    "Refusals",
    "Refused",
    "Repair",
    "Slots",
    "Summary",
    "as_stored",
    "check_key",
    "chosen",
    "cipher_of",
    "clear",
    "ends_table",
    "exported",
    "found",
    "imported",
    "instants",
    "is_small",
    "jobs",
    "mirrored",
    "places",
    "prunable",
    "prune",
    "ranks",
    "ranks_among",
    "refusals",
    "repair",
    "rolled_back",
    "running",
    "table_text",
    "to_roll_back",
]

# What only people at a terminal want: a program that saves its state need not wait for it to be imported.
_LATER = {
    "Mirrored": "_mirror",
    "Portable": "_portable",
    "Prune": "_prune",
    "Repair": "_repair",
    "check_key": "_readable",
    "cipher_of": "_cipher",
    "Complete": "_complete",
    "Lacking": "_complete",
    "Ranks": "_ranks",
    "Refusals": "_refused",
    "Refused": "_refused",
    "refusals": "_refused",
    "chosen": "_choose",
    "clear": "_jobs",
    "exported": "_export",
    "imported": "_import",
    "instants": "_ranks",
    "jobs": "_jobs",
    "mirrored": "_mirror",
    "places": "_jobs",
    "prunable": "_prune",
    "prune": "_prune",
    "ranks": "_jobs",
    "ranks_among": "_jobs",
    "repair": "_repair",
    "rolled_back": "_rollback",
    "running": "_jobs",
    "to_roll_back": "_rollback",
}

later(globals(), _LATER)
