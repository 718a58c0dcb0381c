"""A slot that is damaged where it should be has its newest older value that is good."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from lattice_addons.errors import CheckpointError, DamagedError

from ._instants import COMPLETE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lattice_addons.checkpoint import Checkpoint, Entry, Line

__all__ = ["older_value"]

log = logging.getLogger("lattice_addons.state")


def older_value(
    line: Line, base: Checkpoint | None, name: str, damage: DamagedError, read: Callable[[Entry], object]
) -> object:
    """Read the newest older value of a slot that is good; ``base`` is what the process carries on from."""
    for other in _others(line, base, name):
        try:
            value = read(other.slots[name])
        except DamagedError:
            continue
        log.warning(
            "slot %r cannot be read (%s); its value is the one of checkpoint %d",
            name, damage, other.number,
        )  # fmt: skip
        return value
    message = f"slot {name!r} is damaged in every checkpoint that has it: {damage}"
    if base is not None and base.number not in line.numbers():
        message = (
            f"slot {name!r} cannot be read: checkpoint {base.number}, from which this process carries on, "
            f"was removed meanwhile by the one that writes the job; load() gives what is newest ({damage})"
        )
    raise DamagedError(message, key=damage.key) from damage


def _others(line: Line, base: Checkpoint | None, name: str) -> Iterator[Checkpoint]:
    """Give the checkpoints that may have a slot's value though it cannot be read where it should be."""
    number = base.number if base is not None else None
    known = base.slots.get(name) if base is not None else None
    try:
        newest = line.newest()
    except CheckpointError:
        newest = None
    # A value that nobody has asked for is carried forward, perhaps to another place; but nothing newer is to be
    # mixed with what this process carries on from.
    if newest is not None and (number is None or newest.number > number):
        entry = newest.slots.get(name)
        if entry is not None and (known is None or _digests(entry) == _digests(known)):
            yield newest
    for older in line.history(before=number):
        if older.reason == COMPLETE:
            break
        if name in older.slots:
            yield older


def _digests(entry: Entry) -> tuple[object, ...]:
    return entry.encoding, entry.value, entry.at, [chunk.digest for chunk in entry.chunks()]
