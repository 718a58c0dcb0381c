"""Slots stand in blocks; the small values of a block are stored together, as one table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons.checkpoint import Fresh, ends_table, is_small, table_text
from lattice_addons.encoding import encode_table

from ._manager import StateManager

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lattice_addons.checkpoint import Entry
    from lattice_addons.encoding import FlatTable

    from ._slot import Slot

__all__ = ["FEWEST", "Block", "Blocks"]

# A table of fewer slots is not worth its chunk: they get lines in the manifest.
FEWEST = 32
_MANAGER = StateManager.__name__


class Block:
    """Slots that were registered one after the other."""

    def __init__(self) -> None:
        self.slots: list[Slot] = []
        # Those whose values were not flat when they were last looked at: each is encoded by itself.
        self._odd: set[str] = set()
        self._names: list[str] = []
        self._flat: FlatTable | None = None
        # The text of the table of nothing but these names and flat values.
        self._text: tuple[list[str], FlatTable, bytes] | None = None

    def flat(self) -> tuple[FlatTable | None, list[Slot]]:
        """Take the slots with flat values together, and give the other slots."""
        managers = [slot.quick for slot in self.slots]
        if self._odd or None in managers:
            return self._without_odd(managers)
        if len(self._names) != len(self.slots):
            self._names = [slot.name for slot in self.slots]
        found = self._encoded(managers)
        return (found, []) if found is not None else self._without_odd(managers, anew=True)

    def table(self, flat: FlatTable | None, rows: Mapping[str, bytes]) -> bytes:
        """Give the text of the table with what `flat` gave, and with others, whose JSON texts are given by name."""
        if flat is None:
            return table_text(_MANAGER, list(rows), b"[%b]" % b",".join(rows.values()))
        if rows:
            texts = (flat.text[1:-1], *rows.values())
            return table_text(_MANAGER, [*self._names, *rows], b"[%b]" % b",".join(texts))
        if self._text is None or self._text[0] is not self._names or self._text[1] is not flat:
            self._text = self._names, flat, table_text(_MANAGER, self._names, flat.text)
        return self._text[2]

    def _without_odd(
        self, managers: list[StateManager | None], *, anew: bool = False
    ) -> tuple[FlatTable | None, list[Slot]]:
        """Leave out what is not flat; with ``anew`` each slot is looked at, else those that were not last time."""
        flat: dict[str, StateManager | None] = {}
        rest: list[Slot] = []
        odd: set[str] = set()
        for slot, manager in zip(self.slots, managers, strict=True):
            name = slot.name
            if manager is None:
                rest.append(slot)
            elif (anew or name in self._odd) and _encoded([manager]) is None:
                rest.append(slot)
                odd.add(name)
            else:
                flat[name] = manager
        self._odd, self._names = odd, list(flat)
        if len(flat) < FEWEST:
            return None, self.slots
        found = self._encoded(list(flat.values()))
        if found is not None:
            return found, rest
        return (None, self.slots) if anew else self._without_odd(managers, anew=True)

    def _encoded(self, managers: list[StateManager | None]) -> FlatTable | None:
        found = _encoded(managers, self._flat)
        if found is not None:
            self._flat = found
        return found


class Blocks:
    """All slots of a session, in the order in which they were registered."""

    def __init__(self) -> None:
        self._blocks: list[Block] = []
        self._open = False  # the last block takes more
        self._gone: set[Slot] = set()

    def __iter__(self) -> Iterator[Block]:
        """Go through the blocks."""
        if self._gone:
            self._close_up()
        return iter(self._blocks)

    def add(self, slot: Slot) -> None:
        """Take in one more slot."""
        if not self._open:
            self._blocks.append(Block())
        self._blocks[-1].slots.append(slot)
        self._open = not ends_table(slot.name)

    def remove(self, slot: Slot) -> None:
        """Take out a slot, when the blocks are gone through next."""
        self._gone.add(slot)

    def _close_up(self) -> None:
        """Make the blocks anew: those around a slot that ended one are one afterwards."""
        kept = [slot for block in self._blocks for slot in block.slots if slot not in self._gone]
        self._blocks, self._open, self._gone = [], False, set()
        for slot in kept:
            self.add(slot)


def row(item: Fresh | Entry) -> bytes | None:
    """Give the JSON text of a value that may stand in a table of the default manager; None when it may not."""
    if item.manager != _MANAGER:
        return None
    told = item.encoded if isinstance(item, Fresh) else item
    if told.encoding != "json" or told.buffers or told.value is None or not is_small(told.value):
        return None
    return told.value


def _encoded(managers: list[StateManager | None], last: FlatTable | None = None) -> FlatTable | None:
    values = [manager._held for manager in managers]  # type: ignore[union-attr]  # noqa: SLF001 - see Slot.quick
    found = encode_table(values, last)
    return found if found is not None and is_small(found.text, len(values)) else None
