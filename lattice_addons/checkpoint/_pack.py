"""Pieces come in, are named by the workers, and those that are new are written side by side into one pack."""

from __future__ import annotations

from collections import deque
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from lattice_addons.checkpoint._cut import pieces, read
from lattice_addons.checkpoint._detach import Taken
from lattice_addons.checkpoint._follow import Follower
from lattice_addons.checkpoint._kept import KEPT
from lattice_addons.checkpoint._layout import pack_key
from lattice_addons.checkpoint._model import LARGE, Chunk
from lattice_addons.checkpoint._pieces import Batch, Guess, Piece, name_all, stale, tracked, whole_pages
from lattice_addons.checkpoint._tail import Tail
from lattice_addons.checkpoint._workers import BYTES, DISK, Task
from lattice_addons.encoding import Stream
from lattice_addons.storage import ulid

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from typing_extensions import Self

    from lattice_addons.checkpoint._cipher import Cipher
    from lattice_addons.checkpoint._kept import Block
    from lattice_addons.checkpoint._pieces import Saved
    from lattice_addons.encoding import Buffer
    from lattice_addons.storage import Store, Writer

__all__ = ["PackWriter"]

# What is on its way at once: blocks that are being filled and named, and blocks that are being written.
_NAMING, _WRITING = 5, 3
# Small pieces are named together, until they are so many bytes or so many pieces.
_TOGETHER, _MANY = 1024 * 1024, 512


class PackWriter:
    """The pack of one commit; it is made when the first piece comes that is nowhere else.

    ``known`` gives the chunk of a digest that is in a pack already, and ``here`` where a chunk that was saved
    is now, or None where it is gone. A piece's ``chunk`` is known when all is done.
    """

    def __init__(
        self,
        store: Store,
        folder: str,
        known: Callable[[str], Chunk | None],
        here: Callable[[Chunk], Chunk | None],
        cipher: Cipher | None = None,
    ) -> None:
        self.name = ""
        self.bytes_new = 0
        self.bytes_written = 0
        self._store = store
        self._folder = folder
        self._known = known
        self._here = here
        self._cipher = cipher
        self._written: dict[str, Piece] = {}
        self._open = ExitStack()
        self._writer: Writer | None = None
        self._end = 0
        self._batch = Batch()
        self._small: list[Piece] = []
        self._small_size = 0
        self._guess = Guess()
        self._tail = Tail()
        # Whether there is more than one batch: then threads have part in it, and whole pages are written directly.
        self._large = False
        self._naming: deque[tuple[Batch | None, Task[Sequence[Piece]]]] = deque()
        self._writing: deque[Task[None]] = deque()
        # What was copied before may share a batch with what comes later.
        self._handed: set[Batch] = set()
        # Of equal pieces one is written, and gives the others its chunk.
        self._twins: list[tuple[Piece, Piece]] = []

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        """Make the pack durable, or remove it when the block failed."""
        if kind is None:
            try:
                self._finish()
            except BaseException as failed:
                self._give_up(failed)
                raise
            return self._open.__exit__(None, None, None)
        self._give_up(error)
        return None

    def _give_up(self, error: BaseException | None) -> None:
        """Remove the pack, once nobody writes to it any more."""
        try:
            self._quieten()
        finally:
            self._open.__exit__(type(error) if error else None, error, None)

    def add(self, buffer: Buffer, saved: Sequence[Saved] = ()) -> list[Piece]:
        """Take a buffer in, and give its pieces; ``saved`` is what was saved of them last."""
        if isinstance(buffer, Taken):
            return self._add_taken(buffer)
        if isinstance(buffer, Stream):
            return Follower(self.add_piece, saved, self._here).all(read(buffer))
        size, parts = pieces(buffer)
        if size < LARGE:
            return [self.add_piece(Piece(bytes(part))) for part in parts]
        found = tracked(parts, saved, self._here)
        for piece in found:
            if not self._batch.fits(piece):
                self._hand_batch()
            self._batch.add(piece)
        return found

    def add_piece(self, piece: Piece) -> Piece:
        """Take in one piece of a stream, and give it."""
        if self._small_size + piece.length > _TOGETHER or len(self._small) == _MANY:
            self._hand_small()
        self._small.append(piece)
        self._small_size += piece.length
        return piece

    def _add_taken(self, taken: Taken) -> list[Piece]:
        """Take in what was copied before; its batches come in the order of their pieces."""
        for piece in taken.parts:
            if piece.unchanged and piece.saved is not None and self._here(piece.saved.chunk) is None:
                raise stale()
        for batch in taken.batches:
            # One that has pieces of other buffers, too, is taken in once, with all of them.
            if batch not in self._handed:
                self._handed.add(batch)
                for piece in batch.pieces:
                    self._renew(piece)
                self._hand(batch, partial(name_all, batch.pieces, self._known, self._cipher))
        return taken.parts

    def _renew(self, piece: Piece) -> None:
        """Forget what an earlier commit found of a piece, and what was saved of it where that is gone since."""
        piece.chunk = None
        if piece.saved is not None and not piece.unchanged and self._here(piece.saved.chunk) is None:
            piece.saved = None

    # -- naming

    def _hand_batch(self, *, last: bool = False) -> None:
        batch, self._batch = self._batch, Batch()
        if batch.pieces:
            block, known, guess, cipher = KEPT.block(), self._known, self._guess, self._cipher
            self._hand(batch, lambda: name_all(batch.take(block, guess).pieces, known, cipher), last=last)

    def _hand_small(self, *, last: bool = False) -> None:
        small, self._small, self._small_size = self._small, [], 0
        if small:
            self._hand(None, partial(name_all, small, self._known, self._cipher), last=last)

    def _hand(self, batch: Batch | None, job: Callable[[], Sequence[Piece]], *, last: bool = False) -> None:
        while self._naming and (len(self._naming) >= _NAMING or self._naming[0][1].done):
            self._settle()
        if last and not self._large:
            # All there is: for so little no thread is started.
            task = Task(job)
            task.do()
        else:
            self._large = True
            task = BYTES.hand(job)
        self._naming.append((batch, task))

    def _settle(self) -> None:
        """Give the oldest pieces that were named their places."""
        batch, task = self._naming[0]
        named = task.result()
        self._naming.popleft()
        run: list[Piece] = []
        for piece in named:
            if self._is_new(piece):
                if self._cipher is not None:
                    piece.encrypt(self._cipher)
                if batch is not None and batch.block is not None and piece.squeezed is None:
                    run.append(piece)
                    continue
                self._append(piece)
            if batch is None:
                piece.data = b""  # a stream is never all in memory
            if run and batch is not None:
                self._write_run(batch, run)
                run = []
        if run and batch is not None:
            self._write_run(batch, run)

    def _is_new(self, piece: Piece) -> bool:
        if piece.unchanged and piece.saved is not None:
            piece.chunk = self._here(piece.saved.chunk)
            if piece.chunk is None:
                raise stale()
            return False
        twin = self._written.get(piece.digest)
        if twin is not None:
            self._twins.append((piece, twin))
            return False
        piece.chunk = self._known(piece.digest)
        if piece.chunk is not None:
            return False
        self._written[piece.digest] = piece
        self.bytes_new += piece.length
        return True

    # -- writing

    def _write_run(self, batch: Batch, run: list[Piece]) -> None:
        """Write pieces that lie side by side in their block."""
        first, last = run[0], run[-1]
        size = whole_pages(last.at + last.length) - first.at
        for piece in run:
            piece.chunk = self._chunk(piece, self._end + piece.at - first.at)
        assert batch.block is not None  # noqa: S101 - these pieces were copied to it
        self._write(batch.block, first.at, size)

    def _append(self, piece: Piece) -> None:
        """Put a small or compressed piece tightly behind the one before."""
        data = piece.squeezed or piece.data
        if not self._tail.fits(data):
            self._flush()
        self._tail.append(piece, data)

    def _flush(self) -> None:
        tail, self._tail = self._tail, Tail()
        if tail.block is None:
            return
        for piece, at in tail.pieces:
            piece.chunk = self._chunk(piece, self._end + at)
        size = whole_pages(tail.size) if self._large else tail.size
        tail.block.view[tail.size : size] = bytes(size - tail.size)
        self._write(tail.block, 0, size)

    def _chunk(self, piece: Piece, offset: int) -> Chunk:
        return Chunk(piece.digest, piece.length, self._pack(), offset, *piece.form())

    def _write(self, block: Block, start: int, size: int) -> None:
        writer = self._writer
        assert writer is not None  # noqa: S101 - the pack was made when its name was asked for
        offset, paged = self._end, self._large
        self._end += size
        self.bytes_written += size
        while len(self._writing) >= _WRITING:
            self._writing[0].result()
            self._writing.popleft()

        def write() -> None:
            # The block is named here so that it is not used again before this is done.
            writer.write_at(block.view[start : start + size], offset, paged=paged)

        if paged:
            self._writing.append(DISK.hand(write))
        else:
            write()

    def _pack(self) -> str:
        if not self.name:
            name = ulid()
            self._writer = self._open.enter_context(self._store.create(pack_key(self._folder, name)))
            self.name = name
        return self.name

    # -- the end

    def _finish(self) -> None:
        """Wait until all is written, but not yet durable."""
        self._hand_batch(last=True)
        self._hand_small(last=True)
        while self._naming:
            self._settle()
        self._flush()
        while self._writing:
            self._writing[0].result()
            self._writing.popleft()
        for piece, twin in self._twins:
            piece.chunk = twin.chunk

    def _quieten(self) -> None:
        """Wait until no worker has anything of ours in hand, whatever interrupts that."""
        interrupted: BaseException | None = None
        tasks: deque[Task[Sequence[Piece]] | Task[None]] = deque(task for _, task in self._naming)
        tasks.extend(self._writing)
        while tasks:
            try:
                tasks[0].wait()
                tasks.popleft()
            except BaseException as error:  # noqa: BLE001 - Ctrl-C: a descriptor in use must not be closed
                interrupted = error
        if interrupted is not None:
            raise interrupted
