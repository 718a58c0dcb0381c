"""Stored values go into arrays that the program has already, those of many slots at once."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar

from lattice_addons.encoding import Stream, encode, memory_for
from lattice_addons.errors import DamagedError, DecodeError

from ._manager import NoValue
from ._ranks import Elsewhere

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lattice_addons.checkpoint import Entry, Line

    from ._session import Session
    from ._slot import Slot

    Older = Callable[[str, DamagedError, Callable[[Entry], object]], object]

Target = TypeVar("Target")


def restore_into(session: Session, targets: Mapping[str, Target]) -> dict[str, Target]:
    """Fill the targets with the values of the slots of these names; give those of slots that have one."""
    # Under the gate, so that no snapshot sees a value half restored.
    with session.gate:
        slots = {name: session.slot(name) for name in targets}
        for name, slot in slots.items():
            if isinstance(slot.source, Elsewhere):
                session.value(name)
        entries = {name: slot.pending for name, slot in slots.items()}
        stored = {name: (entry, targets[name]) for name, entry in entries.items() if entry is not None}
        live = {name: targets[name] for name in targets if name not in stored}
        # First all that can be wrong with a target, then all that changes one.
        copies = [copy for name, target in live.items() if (copy := _copy(slots[name], target)) is not None]
        damaged = session.stored.fill(stored) if stored else {}
        for name in stored.keys() - damaged.keys():
            slots[name].restore(targets[name])
        for copy in copies:
            copy()
        filled = {name: targets[name] for name in targets if name not in damaged and _has_value(slots[name])}
    if damaged:
        raise next(iter(damaged.values()))
    return filled


def fill(line: Line, targets: Mapping[str, tuple[Entry, object]], older: Older) -> dict[str, DamagedError]:
    """Fill targets with what entries say, or with the last good value; give the slots that have none.

    ``older`` reads the older values of a damaged slot, in the way it is given, until one is good.
    """
    memories = {
        name: (entry, _memory(line, name, entry, target)) for name, (entry, target) in targets.items()
    }
    failed: dict[str, DamagedError] = {}
    for name, damage in line.fill(memories).items():
        try:
            older(name, damage, partial(_fill_one, line, name, targets[name][1]))
        except DamagedError as error:
            failed[name] = error
    return failed


def _fill_one(line: Line, name: str, target: object, entry: Entry) -> object:
    try:
        memory = _memory(line, name, entry, target)
    except DecodeError as error:
        message = f"slot {name!r}: its older value is of another kind: {error}"
        raise DamagedError(message, key=line.folder) from error
    for damage in line.fill({name: (entry, memory)}).values():
        raise damage
    return target


def _memory(line: Line, name: str, entry: Entry, target: object) -> memoryview:
    """Give the memory of a target in which an entry's bytes have their place."""
    header = entry.value
    if header is None and entry.encoding == "numpy":
        # Where a header was too long for the manifest it is the first buffer.
        from dataclasses import replace

        header = bytes(line.read(replace(entry, buffers=entry.buffers[:1]), slot=name)[1][0])
    try:
        memory = memory_for(target, entry.encoding, header or b"", entry.type)
    except DecodeError as error:
        raise DecodeError(f"slot {name!r}: {error}", type=entry.type) from error
    stored = sum(chunk.length for chunk in entry.buffers[-1])
    if stored != memory.nbytes:
        # Else the rest would keep what it had, and nobody would be told.
        message = f"slot {name!r}: {stored} bytes are stored for an array of {memory.nbytes}"
        raise DecodeError(message, type=entry.type)
    return memory


def _copy(slot: Slot, target: object) -> Callable[[], None] | None:
    """Give what copies a value of the program's to the target; None where there is nothing to be copied."""
    try:
        value = slot.manager.value()
    except NoValue:
        return None
    if value is target:
        return None
    encoded = encode(value)
    memory = memory_for(target, encoded.encoding, encoded.value or b"", encoded.type)
    [buffer] = encoded.buffers
    assert not isinstance(buffer, Stream)  # noqa: S101 - arrays are in memory
    source = memoryview(buffer)

    def copy() -> None:
        memory[:] = source

    return copy


def _has_value(slot: Slot) -> bool:
    try:
        slot.manager.value()
    except NoValue:
        return False
    return True
