"""Of two lines of one rank, the one that was put aside can go on: as a new checkpoint with a higher number."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from lattice_addons.checkpoint._layout import pack_key
from lattice_addons.errors import DamagedError, NotInStoreError, RanksError

if TYPE_CHECKING:
    from lattice_addons.checkpoint._line import Line
    from lattice_addons.checkpoint._model import Checkpoint
    from lattice_addons.storage import Aside, SpooledStore

__all__ = ["chosen"]


def chosen(line: Line, store: SpooledStore, aside: Aside) -> Checkpoint:
    """Commit the newest checkpoint of a line that was put aside as the next one of the line that went on.

    Raises:
        LeaseHeldError: another process writes this line.
        CheckpointError: the line that was put aside cannot be read, or this one not be carried on.
        RanksError: it is a part of a checkpoint of several ranks, which all carry on from one.
        StoreError: it could not be written; both lines are as they were.
    """
    from lattice_addons.checkpoint._line import Line

    other = Line(aside.store, line.job, line.rank, settings=line.settings)
    told = _newest(other, aside)
    line.acquire()
    # The next checkpoint must not hide one of a newer format, or of another key; a damaged one it may replace.
    with suppress(DamagedError):
        line.newest()
    packs = {pack_key(line.folder, chunk.pack) for chunk in told.chunks()}
    store.asides.give(aside, sorted(packs.difference(line.store.list(f"{line.folder}packs/"))))
    checkpoint = line.commit(
        told.lines,
        tables=told.tables,
        parent=None,
        reason=told.reason,
        notes=(*told.notes, f"chosen: {aside.ours} in the place of {aside.theirs}"),
        program=told.program,
        hyperparams=told.hyperparams,
        metrics={},
    )
    store.asides.drop(aside)
    return checkpoint


def _newest(other: Line, aside: Aside) -> Checkpoint:
    told = other.newest()
    if told is None:
        message = f"line {aside.number} of {other.folder} has no checkpoint"
        raise NotInStoreError(message, url=aside.store.url, key=other.folder)
    if told.part is not None:
        message = (
            f"{told.part.instant} of line {aside.number} of {other.folder} is one rank's part of a checkpoint of "
            f"{told.part.world}, of a start of the job that the others went on without: `lattice choose {other.job} "
            "remote` removes it"
        )
        raise RanksError(message)
    return told
