"""A value that all ranks have alike is stored by one of them; the others' checkpoints say in which of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lattice_addons.checkpoint._layout import rank_folder
from lattice_addons.errors import CheckpointError, DamagedError, NotInStoreError

if TYPE_CHECKING:
    from lattice_addons.checkpoint._line import Line
    from lattice_addons.checkpoint._model import Checkpoint, Entry
    from lattice_addons.checkpoint._part import At

__all__ = ["Found", "found"]


class Found(NamedTuple):
    """The entry that names a slot's bytes, and the line it is of; also the checkpoint, if that is another rank's."""

    line: Line
    entry: Entry
    checkpoint: Checkpoint | None


def found(line: Line, entry: Entry, slot: str) -> Found:
    """Find what a slot's entry stands for: itself, or what another rank has stored for all.

    Raises:
        DamagedError: that rank's checkpoint is not there, or cannot be used, or has no such value.
    """
    at = entry.at
    if at is None:
        return Found(line, entry, None)
    parts = line.together.others(line)
    number = parts.find(at)
    if number is None:
        # Saved since it was listed.
        parts.refresh()
        number = parts.find(at)
    if number is None:
        raise _missing(line, at, slot, f"it has no whole checkpoint of {at.instant} in attempt {at.attempt}")
    other = parts.line(at.rank)
    try:
        checkpoint = other.load(number)
        there = checkpoint.slots.get(slot)
    except (CheckpointError, NotInStoreError) as error:
        raise _missing(line, at, slot, str(error)) from error
    if there is None or there.at is not None:
        told = f"its checkpoint {number} has none; a replicated slot needs its value on that rank, too"
        raise _missing(line, at, slot, told)
    return Found(other, there, checkpoint)


def _missing(line: Line, at: At, slot: str, what: str) -> DamagedError:
    folder = rank_folder(line.job, at.rank)
    message = (
        f"slot {slot!r}: rank {at.rank} stores its value for all ranks, in {line.store.url}/{folder}, and {what}. "
        "`lattice verify` shows what is still good."
    )
    return DamagedError(message, key=folder, slot=slot)
