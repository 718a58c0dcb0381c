"""A checkpoint is used whole: where a part of it is damaged, the one before it goes on as the newest."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, cast

from lattice_addons.checkpoint import found
from lattice_addons.encoding import decode
from lattice_addons.errors import DamagedError, HyperStateError, LatticeError

from ._parts import PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lattice_addons.checkpoint import Checkpoint, Line

    Check = Callable[[dict[str, object]], object]

__all__ = ["CONFIG", "STATE", "go_back", "see_that_newest_is_whole", "texts_of"]

log = logging.getLogger("lattice_addons.hyperstate")

CONFIG, STATE, ABOUT = "config", "state", "about"
# Blobs of so many bytes, all in all, are checked when a HyperState is loaded; more when they are read.
_AT_ONCE = 64 * 1024 * 1024
_COMPLETE = "complete"


def texts_of(line: Line, checkpoint: Checkpoint) -> dict[str, object]:
    """Read the plain data of a checkpoint: config, state, and what is said about them."""
    texts: dict[str, object] = {}
    for name in (CONFIG, STATE, ABOUT):
        if name in checkpoint.slots:
            entry = checkpoint.slots[name]
            there = found(line, entry, name)
            value, buffers = there.line.read(there.entry, slot=name)
            encoding, kind = there.entry.encoding, there.entry.type
            texts[name] = decode(encoding, value, buffers, trust=line.settings.trust, type=kind)
    return texts


def see_that_newest_is_whole(line: Line, check: Check) -> None:
    """Let the newest whole checkpoint be the newest of all; ``check`` says by an error that an edited text is wrong.

    Raises:
        DamagedError: one is damaged, and there is none before it that is whole.
    """
    newest = line.newest()
    if newest is None or newest.reason == _COMPLETE or not _is_ours(newest):
        return
    fault = _fault(line, newest, check)
    if fault is not None:
        go_back(line, newest, fault, check)


def go_back(
    line: Line, newest: Checkpoint, fault: LatticeError, check: Check, *, all_of_it: bool = False
) -> Checkpoint:
    """Commit the newest whole checkpoint before this one as the next, and give it; else raise the fault."""
    for older in _before(line, newest):
        if _fault(line, older, check, all_of_it=all_of_it) is not None:
            continue
        told = f"went back from checkpoint {newest.number} to {older.number}: {fault}"
        line.acquire()
        try:
            made = line.commit(
                dict(older.slots.items()),
                parent=older.number,
                reason="manual",
                notes=(told,),
                program=older.program,
                hyperparams=older.hyperparams,
                metrics={},
                part=older.part,
            )
        finally:
            line.release()
        log.warning("job %r %s", line.job, told)
        return made
    raise fault


def _before(line: Line, newest: Checkpoint) -> Iterator[Checkpoint]:
    for older in line.history(before=newest.number):
        if older.reason == _COMPLETE:
            return
        if _is_ours(older):
            yield older


def _is_ours(checkpoint: Checkpoint) -> bool:
    """Say whether a HyperState made it, and no group that has a slot of that name, too."""
    return CONFIG in checkpoint.slots and STATE in checkpoint.slots


def _fault(
    line: Line, checkpoint: Checkpoint, check: Check, *, all_of_it: bool = False
) -> LatticeError | None:
    """Say what keeps a checkpoint from being used."""
    blobs = {name: entry for name, entry in checkpoint.slots.items() if name.startswith(PREFIX)}
    few = sum(entry.size for entry in blobs.values()) <= _AT_ONCE
    try:
        texts = texts_of(line, checkpoint)
        for name, entry in blobs.items() if few or all_of_it else ():
            line.read(entry, slot=name)
    except DamagedError as damage:
        return damage
    try:
        check(texts)
    except HyperStateError as error:
        # What a person wrote. Of the program's own checkpoints it means that the classes have changed: no reason to
        # take an older one, which is of older classes still.
        return cast("LatticeError", error) if checkpoint.reason == "edit" else None
    return None
