"""What has changed is copied, so that it can be saved while the program goes on changing it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from lattice_addons.checkpoint._cut import pieces as cut
from lattice_addons.checkpoint._kept import KEPT
from lattice_addons.checkpoint._model import CHUNK, LARGE, Fresh
from lattice_addons.checkpoint._pieces import Batch, Guess, tracked
from lattice_addons.checkpoint._pour import Held, Measured, poured
from lattice_addons.checkpoint._read import digest_of
from lattice_addons.checkpoint._workers import BYTES
from lattice_addons.encoding import Stream, is_own
from lattice_addons.errors import EncodeError, UnkeepableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from lattice_addons.checkpoint._model import Chunk, Entry
    from lattice_addons.checkpoint._pieces import Piece, Seen
    from lattice_addons.encoding import Buffer

__all__ = ["Taken", "detach", "dirty"]


class Taken(Stream):
    """A buffer whose bytes are copied where they have changed, and known by their chunks where they have not."""

    def __init__(self, size: int, parts: list[Piece], batches: list[Batch]) -> None:
        self.size = size
        self.parts = parts
        # They keep the memory of the copies, and may have pieces of other buffers, too.
        self.batches = batches

    def pieces(self) -> Iterator[bytes]:
        """Refuse: only a pack writer knows what to do with what is not here because it has not changed."""
        raise NotImplementedError


class _TooMuchError(Exception):
    """Copies would take more memory than they may."""


class _Detaching:
    """Puts what can change of all slots into batches; large pickles are copies already when they are made."""

    def __init__(self, seen: Seen, here: Callable[[Chunk], Chunk | None], most: int) -> None:
        self.batches: list[Batch] = [Batch()]
        self._seen = seen
        self._here = here
        self._left = most

    def spend(self, size: int) -> None:
        """Count what a copy takes; raise where that is too much."""
        self._left -= size
        if self._left < 0:
            raise _TooMuchError

    def slot(self, name: str, fresh: Fresh) -> Fresh:
        """Give a slot that shares no memory with the program any more, once all batches are taken."""
        encoded = fresh.encoded
        try:
            encoded = poured(fresh, Held(self.spend)).encoded
            buffers = tuple(self._buffer((name, n), buffer) for n, buffer in enumerate(encoded.buffers))
        except UnkeepableError as error:
            # The caller detaches again with this slot's last good value.
            error.slot = name  # type: ignore[attr-defined]
            raise
        except OSError as error:  # of what a stream reads from, and of where it puts its copy
            message = f"what is to be stored cannot be copied: {error}"
            raise EncodeError(message, type=encoded.type, where="", slot=name) from error
        return replace(fresh, encoded=replace(encoded, buffers=buffers))

    def _buffer(self, place: tuple[str, int], buffer: Buffer) -> Buffer:
        if isinstance(buffer, bytes) or is_own(buffer):
            return buffer
        if isinstance(buffer, Stream):
            return buffer.frozen()
        size, parts = cut(buffer)
        if size < LARGE:
            return bytes(buffer)
        pieces = tracked(parts, self._seen.get(place, ()), self._here)
        batches: list[Batch] = []
        for piece in pieces:
            if not self.batches[-1].fits(piece):
                self.batches.append(Batch())
            if not batches or batches[-1] is not self.batches[-1]:
                batches.append(self.batches[-1])
            self.batches[-1].add(piece)
        return Taken(size, pieces, batches)


def detach(
    slots: Mapping[str, Fresh | Entry], seen: Seen, here: Callable[[Chunk], Chunk | None], most: int
) -> dict[str, Fresh | Entry] | None:
    """Give slots that share no memory with the program; None when that would take more than ``most`` bytes, or all."""
    detaching = _Detaching(seen, here, most)
    try:
        detached = {
            name: detaching.slot(name, slot) if isinstance(slot, Fresh) else slot
            for name, slot in slots.items()
        }
        for batch in BYTES.run(_takes(detaching.batches)):
            detaching.spend(CHUNK if batch.block is not None else 0)
    except (_TooMuchError, MemoryError):
        # The limit may be more than there is.
        return None
    return detached


def _takes(batches: Iterable[Batch]) -> Iterator[Callable[[], Batch]]:
    # Each gets its block when its turn comes: of what has not changed the block is soon free for another.
    guess = Guess()
    return (partial(batch.take, KEPT.block(), guess) for batch in batches if batch.pieces)


def dirty(slots: Iterable[tuple[str, Fresh]], seen: Seen, known: Callable[[str], Chunk | None]) -> int:
    """Give how many bytes of these slots' buffers would have to be written."""
    pieces: list[Piece] = []
    total = 0
    for name, fresh in slots:
        measured = Measured(lambda piece: known(digest_of(piece)) is not None)
        for number, buffer in enumerate(poured(fresh, measured).encoded.buffers):
            if buffer is measured:
                total += measured.unknown
                continue
            size, parts = cut(buffer)
            if size >= LARGE and not isinstance(buffer, Stream):
                pieces += tracked(parts, seen.get((name, number), ()), lambda chunk: chunk)
            else:
                total += sum(len(part) for part in parts if known(digest_of(part)) is None)
    jobs = (partial(_dirty_bytes, piece, known) for piece in pieces)
    return total + sum(BYTES.run(jobs))


def _dirty_bytes(piece: Piece, known: Callable[[str], Chunk | None]) -> int:
    # What was never saved by this process may be in the store all the same, from the one before.
    if piece.compare() or (piece.saved is None and known(digest_of(piece.data)) is not None):
        return 0
    return piece.length
