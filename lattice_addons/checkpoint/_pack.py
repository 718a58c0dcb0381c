"""Chunks are written side by side into a pack of their own commit, and each is checked when it is read."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from blake3 import blake3

from lattice_addons.checkpoint._cut import pieces
from lattice_addons.checkpoint._layout import pack_key
from lattice_addons.checkpoint._model import CHUNK, Chunk
from lattice_addons.errors import DamagedError, NotInStoreError
from lattice_addons.storage import ulid

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from typing_extensions import Self

    from lattice_addons.encoding import Buffer
    from lattice_addons.storage import Store, Writer

__all__ = ["PackWriter", "digest_of", "read_buffer", "read_chunk"]

LARGE = 64 * 1024
_ALIGNMENT = 4096


def digest_of(data: bytes | bytearray | memoryview) -> str:
    """Give the digest that names a chunk."""
    return blake3(data).hexdigest()


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


def read_buffer(store: Store, folder: str, chunks: tuple[Chunk, ...]) -> bytearray:
    """Give the bytes of a buffer, each chunk checked."""
    # What a manifest says is held against the packs before memory is taken for it.
    for pack in {chunk.pack for chunk in chunks}:
        _check_extent(store, pack_key(folder, pack), [chunk for chunk in chunks if chunk.pack == pack])
    buffer = bytearray(sum(chunk.length for chunk in chunks))
    view = memoryview(buffer)
    at = 0
    for chunk in chunks:
        read_chunk(store, folder, chunk, view[at : at + chunk.length])
        at += chunk.length
    return buffer


def read_chunk(store: Store, folder: str, chunk: Chunk, target: memoryview) -> None:
    """Fill the target with a chunk's bytes, which must have its digest."""
    key = pack_key(folder, chunk.pack)
    try:
        store.read_into(key, chunk.offset, target)
    except NotInStoreError:
        raise _gone(store, key, chunk) from None
    except DamagedError as error:
        error.chunk = chunk  # type: ignore[attr-defined]  # a fact of the case, as those given as keywords
        raise
    if digest_of(target) != chunk.digest:
        message = (
            f"the pack {key} in {store.url} is damaged: its {chunk.length} bytes at {chunk.offset} "
            "are not those that were written. `lattice verify` shows what is still good."
        )
        raise DamagedError(message, key=key, chunk=chunk)


def _check_extent(store: Store, key: str, chunks: list[Chunk]) -> None:
    last = max(chunks, key=lambda chunk: chunk.offset + chunk.length)
    end = last.offset + last.length
    try:
        size = store.size(key)
    except NotInStoreError:
        raise _gone(store, key, last) from None
    if end > size:
        message = (
            f"the pack {key} in {store.url} is damaged: it was cut off at byte {size}, "
            f"and should have bytes up to {end}. `lattice verify` shows what is still good."
        )
        raise DamagedError(message, key=key, chunk=last)


def _gone(store: Store, key: str, chunk: Chunk) -> DamagedError:
    message = f"the pack {key} is missing from {store.url}. `lattice verify` shows what is still good."
    return DamagedError(message, key=key, chunk=chunk)
