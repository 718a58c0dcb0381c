"""Many chunks are read in the order in which they lie on the disk, past the system's cache, and checked meanwhile."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING

from lattice_addons.checkpoint._ahead import Ahead
from lattice_addons.checkpoint._kept import KEPT
from lattice_addons.checkpoint._layout import pack_key
from lattice_addons.checkpoint._model import CHUNK
from lattice_addons.checkpoint._opened import OpenPacks, altered, cut_off
from lattice_addons.checkpoint._read import digest_of, expanded, read_chunk
from lattice_addons.checkpoint._workers import BYTES, DISK
from lattice_addons.errors import LatticeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from lattice_addons.checkpoint._kept import Block
    from lattice_addons.checkpoint._model import Chunk
    from lattice_addons.storage import Reader, Store

    Use = Callable[[Chunk, memoryview], None]
    Checked = list[tuple[Chunk, LatticeError | None]]

__all__ = ["stream"]

_PAGE = 4096
# Blocks on their way: some are read into, some are checked.
_AHEAD = 4


def stream(
    store: Store, folder: str, chunks: Iterable[Chunk], use: Use | None = None
) -> Iterator[tuple[Chunk, LatticeError | None]]:
    """Read each of these chunks once, and say of each what is wrong with it, if anything.

    The bytes of those that are good are given to ``use``, in whichever thread has them.
    """
    in_order = sorted(set(chunks), key=lambda chunk: (chunk.pack, chunk.offset))
    asked = Ahead(store, folder, in_order)
    with OpenPacks(store, folder, direct=True) as packs:
        for _, group in groupby(in_order, key=lambda chunk: chunk.pack):
            some = list(group)
            try:
                reader = packs.open(some[0])
            except LatticeError as error:
                asked.use(len(some))
                yield from ((chunk, error) for chunk in some)
                continue
            yield from _Streaming(store, folder, reader, use).run(asked.each(some))


@dataclass(slots=True)
class _Span:
    """Whole pages of a pack, and the chunks that lie in them."""

    start: int
    end: int
    chunks: list[Chunk] = field(default_factory=list)


class _Streaming:
    """Reads one pack with some threads, and checks what is read with others."""

    def __init__(self, store: Store, folder: str, reader: Reader, use: Use | None) -> None:
        self._store = store
        self._folder = folder
        self._reader = reader
        self._use = use

    def run(self, chunks: Iterable[Chunk]) -> Iterator[tuple[Chunk, LatticeError | None]]:
        # Closed at once, however this ends: until then the pack and the blocks are in use.
        with ExitStack() as running:
            read = DISK.run((partial(self._read, span) for span in _spans(chunks)), _AHEAD)
            running.callback(read.close)
            checks = BYTES.run((partial(self._check, *found) for found in read), _AHEAD)
            running.callback(checks.close)
            for checked in checks:
                yield from checked

    def _read(self, span: _Span) -> tuple[_Span, Block | None, int]:
        """Fill a block; give None for one that the store will not read as a whole."""
        if span.end - span.start > CHUNK:
            return span, None, 0
        block = KEPT.block()
        try:
            return span, block, self._reader.read_pages(span.start, block.view[: span.end - span.start])
        except LatticeError:
            return span, None, 0

    def _check(self, span: _Span, block: Block | None, length: int) -> Checked:
        if block is None:
            return [(chunk, self._check_alone(chunk)) for chunk in span.chunks]
        return [(chunk, self._check_one(chunk, span.start, block.view[:length])) for chunk in span.chunks]

    def _check_alone(self, chunk: Chunk) -> LatticeError | None:
        data = memoryview(bytearray(chunk.length))
        try:
            read_chunk(self._store, self._folder, chunk, data)
        except LatticeError as error:
            return error
        if self._use is not None:
            self._use(chunk, data)
        return None

    def _check_one(self, chunk: Chunk, start: int, data: memoryview) -> LatticeError | None:
        key = pack_key(self._folder, chunk.pack)
        at = chunk.offset - start
        if at + chunk.extent > len(data):
            return cut_off(self._store, key, chunk, start + len(data))
        try:
            whole = memoryview(expanded(chunk, data[at : at + chunk.extent]))
        except ValueError:
            return altered(self._store, key, chunk)
        if digest_of(whole) != chunk.digest:
            return altered(self._store, key, chunk)
        if self._use is not None:
            self._use(chunk, whole)
        return None


def _spans(chunks: Iterable[Chunk]) -> Iterator[_Span]:
    """Put chunks, in the order in which they lie, together in whole pages of at most 4 MiB."""
    span: _Span | None = None
    for chunk in chunks:
        start = chunk.offset // _PAGE * _PAGE
        end = -(-(chunk.offset + chunk.extent) // _PAGE) * _PAGE
        if span is not None and (end - span.start > CHUNK or start - span.end > _PAGE):
            yield span
            span = None
        if span is None:
            span = _Span(start, end)
        span.end = max(span.end, end)
        span.chunks.append(chunk)
    if span is not None:
        yield span
