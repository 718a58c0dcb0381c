"""A slot's stored value is read from the line of this rank, or of the one which stores it for all."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from lattice_addons.checkpoint import found
from lattice_addons.encoding import decode
from lattice_addons.errors import DamagedError

from ._into import fill
from ._older import older_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lattice_addons.checkpoint import Checkpoint, Entry, Line

__all__ = ["Fetching"]


@dataclass(frozen=True)
class Fetching:
    """What values are read from: a line, and ``base``, the checkpoint of it that the process carries on from."""

    line: Line
    base: Checkpoint | None
    trust: str

    def value(self, name: str, entry: Entry, *, older: bool = True) -> object:
        """Read and decode a slot's value; on damage, the newest older value of it that is good, if that will do."""
        try:
            if entry.at is None:
                return self._read(name, entry)
            place, there = self._of(name, entry)
            return place.value(name, there, older=older)
        except DamagedError as damage:
            if not older:
                raise
            # Also where what another rank has of it is gone altogether.
            return older_value(self.line, self.base, name, damage, partial(self._read, name))

    def fill(self, targets: Mapping[str, tuple[Entry, object]]) -> dict[str, DamagedError]:
        """Read the values of slots into memory of the program's, as `value` does; give those that are damaged."""
        failed: dict[str, DamagedError] = {}
        own = {name: target for name, target in targets.items() if target[0].at is None}
        for name, (entry, target) in targets.items():
            if name not in own:
                try:
                    place, there = self._of(name, entry)
                except DamagedError as damage:
                    failed[name] = damage
                else:
                    failed |= place.fill({name: (there, target)})
        older = partial(older_value, self.line, self.base)
        return failed | fill(self.line, own, older) if own else failed

    def _of(self, name: str, entry: Entry) -> tuple[Fetching, Entry]:
        """Give where a value is that another rank stores; all ranks find the same, whatever is damaged there."""
        there = found(self.line, entry, name)
        return Fetching(there.line, there.checkpoint, self.trust), there.entry

    def _read(self, name: str, entry: Entry) -> object:
        there = found(self.line, entry, name)
        value, buffers = there.line.read(there.entry, slot=name)
        return decode(there.entry.encoding, value, buffers, trust=self.trust, type=there.entry.type)
