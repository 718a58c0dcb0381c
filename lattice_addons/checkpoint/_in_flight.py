"""What was taken for a save that is not committed yet may name packs that no checkpoint names any more."""

from __future__ import annotations

import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lattice_addons.checkpoint._detach import Taken

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lattice_addons.checkpoint._model import Entry, Fresh

__all__ = ["InFlight"]


class InFlight:
    """The packs that must stay for snapshots on their way; a snapshot that is dropped lets go of its own."""

    def __init__(self) -> None:
        # Changed in single steps, and copied to be gone through: a snapshot may be taken in a signal handler.
        self._taken: dict[int, weakref.ref[Taken]] = {}
        self._held: dict[int, frozenset[str]] = {}

    @contextmanager
    def hold(self, packs: Iterable[str]) -> Iterator[None]:
        """Let these packs stay for a block."""
        held = frozenset(packs)
        self._held[id(held)] = held
        try:
            yield
        finally:
            self._held.pop(id(held), None)

    def add(self, slots: Iterable[Fresh | Entry]) -> None:
        """Let the packs stay in which unchanged pieces of these slots are, as long as the slots are there."""
        for slot in slots:
            for buffer in getattr(getattr(slot, "encoded", None), "buffers", ()):
                if isinstance(buffer, Taken):
                    self._taken[id(buffer)] = weakref.ref(buffer)

    def packs(self) -> set[str]:
        """Give the packs that must stay now."""
        packs: set[str] = set().union(*list(self._held.values()))
        for number, reference in list(self._taken.items()):
            taken = reference()
            if taken is None:
                # Not another one's that has got this number meanwhile.
                if self._taken.get(number) is reference:
                    self._taken.pop(number, None)
                continue
            packs.update(piece.saved.chunk.pack for piece in taken.parts if piece.saved is not None)
        return packs
