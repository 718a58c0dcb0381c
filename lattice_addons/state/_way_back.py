"""What a program does again on its way back into a loop is undone there, for all that it tracks."""

# ruff: noqa: ANN401 - values are of any type; torch says which.

from __future__ import annotations

import logging
import pickle
import zlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lattice_addons.checkpoint import Entry

    from ._session import Session
    from ._slot import Slot

__all__ = ["WayBack"]

_log = logging.getLogger("lattice_addons.state")

#: So many numbers of a tensor are looked at, for what is written past torch's count of changes.
_LOOKED_AT: Final = 8


class WayBack:
    """What was restored, and how it was when the first element of a resumed loop began.

    A program that was stopped in a loop over a loader, behind other code of the same element, runs that code again when
    it is started again: a scheduler would make its step twice. Where it comes to the loop, what has changed since the
    element began is restored once more.
    """

    def __init__(self) -> None:
        self._sources: dict[str, Mapping[str, Entry]] = {}
        self._restored: dict[str, object] = {}
        self._begun: dict[str, object] | None = None

    def read(self, slot: Slot) -> None:
        """Remember from what a slot was restored."""
        if slot.source is not None and slot.manager.restore_first and not slot.manager.has_place:
            self._sources[slot.name] = slot.source

    def held(self, slot: Slot) -> None:
        """Remember how an object is that was restored just now."""
        if slot.name in self._sources and slot.name not in self._restored:
            self._restored[slot.name] = _mark_of(slot)

    def begin(self, session: Session) -> None:
        """Remember how all is when an element begins, the first of this process."""
        if self._begun is None and self._sources:
            self._begun = {
                name: _mark_of(session.slots[name]) for name in self._sources if name in session.slots
            }

    def end(self, session: Session, key: str) -> None:
        """Be in the loop ``key``, in which the program was: what was done again since is undone."""
        begun, sources = self._begun, self._sources
        since = begun if begun is not None else self._restored
        changed = [
            name
            for name, mark in since.items()
            if name in session.slots and name in sources and _mark_of(session.slots[name]) != mark
        ]
        self._begun, self._sources = {}, {}
        lost = [
            name for name in changed if begun is None or self._restored.get(name, begun[name]) != begun[name]
        ]
        for name in changed:
            if name not in lost:
                slot = session.slots[name]
                with session.gate:
                    slot.restore(session.stored.read(slot, sources[name]))
        if lost:
            _log.warning(
                "%s: changed by the program between track() and the loop over %r, in which it was stopped: it goes on "
                "with that change made once more, if it was made before the stop, too. Put the loop around it in "
                "group.resume(), and make changes that belong to an element within it",
                ", ".join(map(repr, lost)),
                key,
            )


def _mark_of(slot: Slot) -> object:
    """Give something that differs when the value does, made without a copy of it."""
    try:
        return _mark(slot.manager.capture())
    except Exception as error:  # noqa: BLE001 - the program's own state_dict(): what it raises is told when it is saved
        return type(error).__name__


def _mark(value: Any) -> object:
    if isinstance(value, dict):
        return {key: _mark(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_mark(each) for each in value]
    if value is None or isinstance(value, (bool, int, str, bytes)):
        return value
    if hasattr(value, "untyped_storage"):
        return _mark_of_tensor(value)
    try:
        return zlib.crc32(pickle.dumps(value))
    except Exception:  # noqa: BLE001 - the pickling is the value's own code
        return id(value)


def _mark_of_tensor(tensor: Any) -> object:
    try:
        changes = tensor._version  # noqa: SLF001 - there is no other
    except RuntimeError:  # of a tensor made in inference mode nobody counts changes
        changes = None
    try:
        looked_at = tensor.detach().reshape(-1)[:_LOOKED_AT].tolist()
    except (RuntimeError, NotImplementedError, TypeError):  # sparse, quantised, or without memory
        looked_at = None
    return changes, repr(looked_at)
