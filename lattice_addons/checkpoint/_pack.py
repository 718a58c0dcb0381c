"""Chunks are written side by side into a pack of their own commit."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from lattice_addons.checkpoint._cut import pieces
from lattice_addons.checkpoint._layout import pack_key
from lattice_addons.checkpoint._model import CHUNK, Chunk
from lattice_addons.checkpoint._read import digest_of
from lattice_addons.storage import ulid

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from typing_extensions import Self

    from lattice_addons.encoding import Buffer
    from lattice_addons.storage import Store, Writer

__all__ = ["PackWriter"]

LARGE = 64 * 1024
_ALIGNMENT = 4096


class PackWriter:
    """The pack of one commit; it is made when the first chunk comes that is nowhere else.

    ``known`` gives the chunk of a digest that is in a pack already.
    """

    def __init__(self, store: Store, folder: str, known: Callable[[str], Chunk | None]) -> None:
        self.name: str | None = None
        self.written: dict[str, Chunk] = {}
        self._store = store
        self._folder = folder
        self._known = known
        self._open = ExitStack()
        self._writer: Writer | None = None
        # Every chunk is digested and written from this copy: another thread may change an array meanwhile.
        self._bounce = bytearray()

    @property
    def bytes_new(self) -> int:
        """How many bytes of chunks were written."""
        return sum(chunk.length for chunk in self.written.values())

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        """Make the pack durable, or remove it when the block failed."""
        return self._open.__exit__(kind, error, trace)

    def add(self, buffer: Buffer) -> tuple[Chunk, ...]:
        """Give the chunks of a buffer; those that are new are written."""
        size, parts = pieces(buffer)
        aligned = size < LARGE
        chunks = []
        for piece in parts:
            data = self._copied(piece)
            digest = digest_of(data)
            chunk = self.written.get(digest) or self._known(digest)
            if chunk is None:
                chunk = self._write(digest, data, align=not aligned)
                aligned = True
            chunks.append(chunk)
        return tuple(chunks)

    def _copied(self, piece: bytes | memoryview) -> bytes | memoryview:
        if isinstance(piece, bytes):
            return piece
        if not self._bounce:
            self._bounce = bytearray(CHUNK)
        copy = memoryview(self._bounce)[: piece.nbytes]
        copy[:] = piece
        return copy

    def _write(self, digest: str, data: bytes | memoryview, *, align: bool) -> Chunk:
        if self._writer is None or self.name is None:
            self.name = ulid()
            self._writer = self._open.enter_context(self._store.create(pack_key(self._folder, self.name)))
        if align and self._writer.position % _ALIGNMENT:
            self._writer.write(bytes(-self._writer.position % _ALIGNMENT))
        chunk = Chunk(digest, len(data), self.name, self._writer.position)
        self._writer.write(data)
        self.written[digest] = chunk
        return chunk
