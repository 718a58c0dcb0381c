"""Every byte that a line stores is read and compared with its digest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons.checkpoint._model import CHUNK, Finding
from lattice_addons.checkpoint._read import read_chunk
from lattice_addons.errors import LatticeError, NotInStoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lattice_addons.checkpoint._line import Line
    from lattice_addons.checkpoint._model import Chunk, Entry

__all__ = ["verify"]


def verify(line: Line) -> Iterator[Finding]:
    """Say of each slot of each checkpoint, oldest first, whether it is good; of a manifest, if it is not."""
    reader = _Reader(line)
    for number in line.numbers():
        try:
            checkpoint = line.load(number)
        except NotInStoreError:
            continue  # retention deleted it meanwhile
        except LatticeError as error:
            yield Finding(number, None, error)
            continue
        if not checkpoint.slots:
            yield Finding(number, None, None)
        for name, entry in checkpoint.slots.items():
            yield Finding(number, name, reader.check(entry))


class _Reader:
    """Reads each chunk once, however many checkpoints share it."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._block = memoryview(bytearray(CHUNK))
        self._known: dict[Chunk, LatticeError | None] = {}

    def check(self, entry: Entry) -> LatticeError | None:
        """Give what is wrong with a slot's bytes, or None."""
        return next((error for error in map(self._check, entry.chunks()) if error is not None), None)

    def _check(self, chunk: Chunk) -> LatticeError | None:
        if chunk not in self._known:
            try:
                read_chunk(self._line.store, self._line.folder, chunk, self._block[: chunk.length])
            except LatticeError as error:
                self._known[chunk] = error
            else:
                self._known[chunk] = None
        return self._known[chunk]
