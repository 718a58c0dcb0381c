"""Of a stored state one part is read, such as one tensor of a model: the rest of it costs nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lattice_addons.encoding import decode, part_of_tree
from lattice_addons.errors import UnknownSlotError

from ._manager import NoValue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lattice_addons.checkpoint import Entry, Line

    from ._session import Session

__all__ = ["part_of"]


def part_of(session: Session, key: str, path: Sequence[object]) -> Any:  # noqa: ANN401 - whatever stands there
    """Give what is under these keys in a slot's state; from the store where the slot was not asked for yet."""
    # Under the gate, so that no snapshot sees a value half restored.
    with session.gate:
        slot = session.slot(key)
        entry, line = slot.pending, session.stored.line
        try:
            if entry is not None and entry.encoding == "tree" and line is not None:
                return _read(line, key, entry, path)
            session.value(key)
            found: Any = slot.manager.capture()
            for each in path:
                found = found[each]
        except NoValue:
            raise UnknownSlotError(f"slot {key!r} has no value yet, and so no part", slot=key) from None
        except (KeyError, IndexError, TypeError) as error:
            shown = "".join(f"[{each!r}]" for each in path)
            message = f"slot {key!r} has no {shown}: {error}; `lattice show` tells what it has"
            raise UnknownSlotError(message, slot=key) from error
    return found


def _read(line: Line, key: str, entry: Entry, path: Sequence[object]) -> object:
    header, buffers = entry.value, entry.buffers
    if header is None:  # too long for the manifest
        header, buffers = bytes(line.read(replace(entry, buffers=buffers[:1]), key)[1][0]), buffers[1:]
    text, numbers = part_of_tree(header, path)
    part = replace(entry, value=text, buffers=tuple(buffers[number] for number in numbers))
    return decode(entry.encoding, *line.read(part, key), trust="safe", type=entry.type)
