"""What the kept checkpoints name: packs that must stay, chunks that need not be written again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lattice_addons.checkpoint._summaries import Summaries

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lattice_addons.checkpoint._model import Checkpoint, Chunk
    from lattice_addons.checkpoint._part import Part

__all__ = ["Catalog", "Record"]


@dataclass(frozen=True, slots=True)
class Record:
    """What is remembered of one checkpoint."""

    created: str
    chunks: frozenset[Chunk]
    part: Part | None = None


class Catalog:
    """The checkpoints of one line by number, and their chunks by digest.

    Other threads, and signal handlers, read meanwhile. A lock could be held by the very thread that a handler
    interrupts: so everything is changed in single steps of a dict or set, and copied before it is gone through.
    """

    def __init__(self) -> None:
        self.records: dict[int, Record] = {}
        # Manifests that cannot be read, or are not trusted: what they name is not known.
        self.unreadable: set[int] = set()
        # The packs that this process wrote, with the number of their checkpoint.
        self.written: dict[str, int] = {}
        # Whether what dead processes left is removed.
        self.swept = False
        self.reclaimed = 0  # how many packs were deleted
        # What is being deleted: nothing that is saved from now on may refer to it.
        self.doomed: set[int] = set()
        self.going: set[str] = set()
        # Packs with chunks of other packs, which no checkpoint may name yet, with the newest one at that time.
        self.rewritten: dict[str, int] = {}
        # Packs out of which chunks were moved; they are still where they were, too.
        self._left: set[str] = set()
        # What the last save found of the arrays.
        self.summaries: Summaries = Summaries()
        self._bad: set[Chunk] = set()
        self._chunks: dict[str, Chunk] = {}

    def add(self, checkpoint: Checkpoint) -> None:
        """Remember a checkpoint."""
        if checkpoint.number in self.records or checkpoint.number in self.doomed:
            return
        chunks = frozenset(checkpoint.chunks())
        before = max(list(self.records), default=0)
        # What the one before has as well is known; sets are compared by the hashes that they keep.
        record = self.records.get(before)
        new = chunks - record.chunks if record is not None else chunks
        self.records[checkpoint.number] = Record(checkpoint.created, chunks, checkpoint.part)
        self.unreadable.discard(checkpoint.number)
        for chunk in new:
            if chunk.pack in self._left or chunk.pack in self.going or chunk in self._bad:
                continue
            found = self._chunks.get(chunk.digest)
            if found is not None and found.lock and not chunk.lock:
                continue  # what is encrypted need not be encrypted again
            if checkpoint.number > before:
                self._chunks[chunk.digest] = chunk
            else:
                self._chunks.setdefault(chunk.digest, chunk)

    def keep_only(self, numbers: Iterable[int]) -> None:
        """Forget the checkpoints that are not among these."""
        numbers = frozenset(numbers)
        for number in [number for number in list(self.records) if number not in numbers]:
            self.records.pop(number, None)
        self.unreadable &= numbers
        self.doomed &= numbers

    def doom(self, numbers: Iterable[int]) -> None:
        """Forget checkpoints that are about to be deleted, and know them no more while they still can be read."""
        for number in numbers:
            self.doomed.add(number)
            self.records.pop(number, None)
            self.unreadable.discard(number)

    def find(self, digest: str) -> Chunk | None:
        """Give where the bytes of this digest are, as far as is known."""
        return self._chunks.get(digest)

    def where(self, chunk: Chunk) -> Chunk:
        """Give where a chunk's bytes are now: itself, or where they were moved."""
        if chunk.pack in self._left or chunk.pack in self.going or chunk in self._bad:
            return self._chunks.get(chunk.digest, chunk)
        return chunk

    def move(self, pack: str, chunks: Mapping[Chunk, Chunk]) -> None:
        """Let chunks be found where they were copied to, in a new pack."""
        newest = max(list(self.records), default=0)
        self.rewritten[pack] = self.written[pack] = newest
        for old, new in chunks.items():
            self._chunks[old.digest] = new
        self._left.update(old.pack for old in chunks)

    def drop(self, chunk: Chunk) -> None:
        """Forget a chunk whose bytes turned out to be damaged, so that they are written again."""
        self._bad.add(chunk)
        if self._chunks.get(chunk.digest) == chunk:
            self._chunks.pop(chunk.digest, None)

    def is_bad(self, chunk: Chunk) -> bool:
        """Say whether a chunk's bytes are known to be damaged."""
        return chunk in self._bad

    def drop_packs(self, packs: Iterable[str]) -> None:
        """Forget all chunks of packs that are gone."""
        gone = frozenset(packs)
        for digest, chunk in list(self._chunks.items()):
            if chunk.pack in gone:
                self._chunks.pop(digest, None)
        for pack in gone:
            self.written.pop(pack, None)
            self.rewritten.pop(pack, None)
            self._left.discard(pack)
        for chunk in list(self._bad):
            if chunk.pack in gone:
                self._bad.discard(chunk)

    def named(self) -> dict[str, int]:
        """Give the packs that checkpoints name, each with how many of its bytes."""
        chunks = frozenset().union(*(record.chunks for record in list(self.records.values())))
        packs: dict[str, int] = {}
        for chunk in chunks:
            packs[chunk.pack] = packs.get(chunk.pack, 0) + chunk.extent
        return packs
