"""A pickle or text that is made only when it is taken is cut and written, or copied, or measured, while it is made."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lattice_addons.checkpoint._boundaries import Cutter
from lattice_addons.checkpoint._kept import KEPT
from lattice_addons.checkpoint._model import CHUNK
from lattice_addons.encoding import STREAMED, Flow, Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lattice_addons.checkpoint._follow import Follower
    from lattice_addons.checkpoint._kept import Block
    from lattice_addons.checkpoint._model import Fresh
    from lattice_addons.checkpoint._pieces import Piece
    from lattice_addons.encoding import Buffer

__all__ = ["Cut", "Held", "Measured", "poured"]


def poured(fresh: Fresh, vessel: Cut | Held | Measured) -> Fresh:
    """Give a slot with its pickle or text in a vessel, if that is made only when it is taken; else as it is."""
    first = next(iter(fresh.encoded.buffers), None)
    if not isinstance(first, Flow):
        return fresh
    return replace(fresh, encoded=first.pour(vessel.take, vessel.taken, vessel.empty))


class _Vessel(Stream):
    """What a pickle or text is poured into, and then stands for it."""

    size = 0

    def empty(self) -> None:
        """Let go of what was taken: it begins anew."""
        self.size = 0

    def pieces(self) -> Iterator[bytes | memoryview]:
        """Refuse, where there are none to be given."""
        raise NotImplementedError

    def taken(self) -> Buffer:
        """Give itself, with all that was taken."""
        return self


class Cut(_Vessel):
    """Pieces on their way into a pack; ``follow`` begins to make them."""

    def __init__(self, follow: Callable[[], Follower]) -> None:
        self.parts: list[Piece] = []
        self._follow = follow
        self._follower = follow()

    def take(self, data: bytes) -> None:
        """Take the next bytes."""
        self.size += len(data)
        self.parts.extend(self._follower.feed(data))

    def empty(self) -> None:
        """Let go of what was taken; what is written already is in no manifest."""
        super().empty()
        self.parts.clear()
        self._follower = self._follow()

    def taken(self) -> Buffer:
        """Give itself, with the last pieces."""
        self.parts.extend(self._follower.end())
        return self


class Held(_Vessel):
    """Copies in blocks of memory, but large ``bytes``, which nobody can change, as they are.

    ``spend`` is told how many bytes each block has before it is taken.
    """

    def __init__(self, spend: Callable[[int], None]) -> None:
        self._spend = spend
        self._blocks: list[Block] = []
        self._used = CHUNK
        self._parts: list[bytes | memoryview] = []

    def take(self, data: bytes) -> None:
        """Take the next bytes."""
        self.size += len(data)
        if type(data) is bytes and len(data) >= STREAMED:
            self._parts.append(data)
            return
        rest = memoryview(data)
        while rest:
            room = self._room()
            part = rest[: len(room)]
            room[: len(part)] = part
            self._parts.append(room[: len(part)])
            self._used += len(part)
            rest = rest[len(part) :]

    def empty(self) -> None:
        """Let go of what was taken; the memory counts as spent."""
        super().empty()
        self._parts.clear()
        self._blocks.clear()
        self._used = CHUNK

    def _room(self) -> memoryview:
        if self._used == CHUNK:
            self._spend(CHUNK)
            self._blocks.append(KEPT.block())
            self._used = 0
        return self._blocks[-1].view[self._used :]

    def pieces(self) -> Iterator[bytes | memoryview]:
        """Give what was taken, in pieces of at most 4 MiB."""
        for part in self._parts:
            view = memoryview(part)
            yield from (view[at : at + CHUNK] for at in range(0, len(view), CHUNK))


class Measured(_Vessel):
    """How many bytes of all that came are in no piece that is ``known``."""

    def __init__(self, known: Callable[[bytes], bool]) -> None:
        self.unknown = 0
        self._known = known
        self._cutter = Cutter()

    def take(self, data: bytes) -> None:
        """Take the next bytes."""
        self.size += len(data)
        self.unknown += sum(len(cut) for cut in self._cutter.feed(data) if not self._known(cut))

    def empty(self) -> None:
        """Let go of what was taken."""
        super().empty()
        self.unknown = 0
        self._cutter = Cutter()

    def taken(self) -> Buffer:
        """Give itself, with the last pieces."""
        self.unknown += sum(len(cut) for cut in self._cutter.end() if not self._known(cut))
        return self
