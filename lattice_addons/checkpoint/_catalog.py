"""What the kept checkpoints name: packs that must stay, chunks that need not be written again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lattice_addons.checkpoint._model import Checkpoint, Chunk

__all__ = ["Catalog", "Record"]


@dataclass(frozen=True, slots=True)
class Record:
    """What is remembered of one checkpoint."""

    created: str
    chunks: frozenset[Chunk]


class Catalog:
    """The checkpoints of one line by number, and their chunks by digest.

    Other threads, and signal handlers, read meanwhile. A lock could be held by the very thread that a handler
    interrupts: so what is iterated over is copied first, in one step, and changed ones are put in place whole.
    """

    def __init__(self) -> None:
        self.records: dict[int, Record] = {}
        # Manifests that cannot be read, or are not trusted: what they name is not known.
        self.unreadable: set[int] = set()
        # The packs that this process wrote, with the number of their checkpoint.
        self.written: dict[str, int] = {}
        # Packs that are mostly dead: what lives in them is written again, little by little, so that they go.
        self.sparse: frozenset[str] = frozenset()
        self._chunks: dict[str, Chunk] = {}

    def add(self, checkpoint: Checkpoint) -> None:
        """Remember a checkpoint."""
        if checkpoint.number in self.records:
            return
        chunks = frozenset(checkpoint.chunks())
        self.records = {**self.records, checkpoint.number: Record(checkpoint.created, chunks)}
        self.unreadable.discard(checkpoint.number)
        self._chunks.update((chunk.digest, chunk) for chunk in chunks)

    def keep_only(self, numbers: Iterable[int]) -> None:
        """Forget the checkpoints that are not among these."""
        numbers = frozenset(numbers)
        self.records = {number: record for number, record in self.records.items() if number in numbers}
        self.unreadable &= numbers

    def find(self, digest: str) -> Chunk | None:
        """Give where the bytes of this digest are, as far as is known."""
        return self._chunks.get(digest)

    def where(self, chunk: Chunk) -> Chunk:
        """Give where a chunk's bytes are now."""
        return chunk

    def drop(self, chunk: Chunk) -> None:
        """Forget a chunk whose bytes turned out to be damaged, so that they are written again."""
        if self._chunks.get(chunk.digest) == chunk:
            self._chunks.pop(chunk.digest, None)

    def drop_packs(self, packs: Iterable[str]) -> None:
        """Forget all chunks of packs that are gone."""
        gone = frozenset(packs)
        self._chunks = {
            digest: chunk for digest, chunk in list(self._chunks.items()) if chunk.pack not in gone
        }
        self.written = {pack: number for pack, number in self.written.items() if pack not in gone}

    def named(self) -> dict[str, int]:
        """Give the packs that checkpoints name, each with how many of its bytes."""
        chunks = frozenset().union(*(record.chunks for record in self.records.values()))
        packs: dict[str, int] = {}
        for chunk in chunks:
            packs[chunk.pack] = packs.get(chunk.pack, 0) + chunk.extent
        return packs
