"""Each chunk is checked against its digest when it is read."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from blake3 import blake3

from lattice_addons.checkpoint._ahead import Ahead
from lattice_addons.checkpoint._cipher import open_in_place, opened
from lattice_addons.checkpoint._fresh import fresh
from lattice_addons.checkpoint._kept import KEPT
from lattice_addons.checkpoint._layout import pack_key
from lattice_addons.checkpoint._opened import OpenPacks, altered
from lattice_addons.checkpoint._squeeze import expand
from lattice_addons.checkpoint._workers import BYTES
from lattice_addons.errors import DamagedError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    from lattice_addons.checkpoint._model import Chunk
    from lattice_addons.storage import Reader, Store

    Pieces = Generator[memoryview, None, None]

__all__ = [
    "digest_of",
    "expanded",
    "once_more",
    "read_buffer",
    "read_buffers",
    "read_chunk",
    "read_into",
    "renewed",
]

Result = TypeVar("Result")
# What one thread fills while another one digests what was filled before.
_PIECE = 1024 * 1024
# With so many jobs there is enough for every thread, and none need share a chunk.
_MANY = 4


def digest_of(data: bytes | bytearray | memoryview) -> str:
    """Give the digest that names a chunk."""
    return blake3(data).hexdigest()


def read_buffer(store: Store, folder: str, chunks: tuple[Chunk, ...]) -> bytearray | memoryview:
    """Give the bytes of a buffer, each chunk checked."""
    return read_buffers(store, folder, [chunks])[0]


def read_buffers(
    store: Store, folder: str, buffers: Sequence[tuple[Chunk, ...]], *, mapped: bool = False
) -> list[bytearray | memoryview]:
    """Give the bytes of buffers, each chunk checked; with ``mapped``, the pages of packs where that can be."""
    return once_more(store, partial(_read_buffers, store, folder, buffers, mapped=mapped))


def once_more(store: Store, read: Callable[[], Result], key: str | None = None) -> Result:
    """Read, and read once more what is damaged, where the store may have a whole copy elsewhere."""
    tried: set[str] = set()
    while True:
        try:
            return read()
        except DamagedError as error:
            named = key or error.key
            if named in tried or not renewed(store, named):
                raise
            tried.add(named)


def renewed(store: Store, key: str) -> bool:
    """Say whether to read a key again may give other bytes than those that are damaged."""
    try:
        return store.refresh(key)
    except StoreError:  # it cannot be asked; or the damage is not that of a key
        return False


def _read_buffers(
    store: Store, folder: str, buffers: Sequence[tuple[Chunk, ...]], *, mapped: bool
) -> list[bytearray | memoryview]:
    results: list[bytearray | memoryview] = []
    parts: list[_Part] = []
    with OpenPacks(store, folder) as packs:
        # What a manifest says is held against the packs before memory is taken for it.
        packs.check([chunk for chunks in buffers for chunk in chunks])
        for chunks in buffers:
            pages = packs.map(chunks) if mapped else None
            memory = fresh(sum(chunk.length for chunk in chunks)) if pages is None else pages
            results.append(memory)
            if pages is None:
                parts += _parts(chunks, memoryview(memory))
            else:
                parts += (_Part(chunk, None) for chunk in chunks)
        asked = Ahead(store, folder, [part.chunk for part in parts])
        for _, group in groupby(parts, key=lambda part: part.chunk.pack):
            some = list(group)
            _Filling(store, folder, packs.open(some[0].chunk)).fill(some, asked)
    return results


def read_into(store: Store, folder: str, chunks: tuple[Chunk, ...], memory: memoryview) -> None:
    """Fill memory with the bytes of a buffer; what is not good is there, too, when it is found out."""
    with OpenPacks(store, folder) as packs:
        packs.check(chunks)
        asked = Ahead(store, folder, chunks)
        for part in _parts(chunks, memory):
            _Filling(store, folder, packs.open(part.chunk)).fill([part], asked)


def read_chunk(store: Store, folder: str, chunk: Chunk, target: memoryview) -> None:
    """Fill the target with a chunk's bytes, which must have its digest; in this thread, which may be a worker."""
    with OpenPacks(store, folder) as packs:
        packs.check([chunk])
        _Filling(store, folder, packs.reader).fill_alone(_Part(chunk, target))


def expanded(chunk: Chunk, data: bytes | bytearray | memoryview) -> bytes | bytearray | memoryview:
    """Give a chunk's bytes as they were before they were compressed and encrypted; ``ValueError`` if they cannot be."""
    if chunk.lock:
        data = opened(data, chunk.lock)
    return expand(data, chunk.length) if chunk.stored else data


class _Part(NamedTuple):
    """One chunk, and where its bytes go; None for one that is mapped, and has only to be checked."""

    chunk: Chunk
    target: memoryview | None


def _parts(chunks: Iterable[Chunk], target: memoryview) -> Iterator[_Part]:
    at = 0
    for chunk in chunks:
        yield _Part(chunk, target[at : at + chunk.length])
        at += chunk.length


class _Filling:
    """Fills memory from one pack, on all cores, and checks what it has filled."""

    def __init__(self, store: Store, folder: str, reader: Reader) -> None:
        self._store = store
        self._folder = folder
        self._reader = reader

    def fill(self, parts: Sequence[_Part], asked: Ahead) -> None:
        """Fill each part; the first that is damaged is the one that is told."""
        jobs = list(_jobs(parts))
        if len(jobs) >= _MANY:
            for _ in BYTES.run(self._asked(job, asked) for job in jobs):
                pass
            return
        for part in parts:
            asked.use()
            self._fill_one(part, self._shared if part.chunk.length > _PIECE else self._alone)

    def _asked(self, job: list[_Part], asked: Ahead) -> Callable[[], None]:
        """Give what fills some parts, once they are at hand."""
        asked.use(len(job))
        return partial(self._fill_some, job)

    def fill_alone(self, part: _Part) -> None:
        """Fill one part in this thread."""
        self._fill_one(part, self._alone)

    def _fill_some(self, parts: Sequence[_Part]) -> None:
        for part in parts:
            self.fill_alone(part)

    def _fill_one(self, part: _Part, pieces: Callable[[Chunk, memoryview], Pieces]) -> None:
        if part.chunk.stored:
            self._expand(part)
        elif part.chunk.lock:
            self._unlock(part)
        elif part.target is None:
            # Read elsewhere: to touch the mapped pages would make the system read far more than them, and a disk
            # that fails then ends the program.
            block = KEPT.block()
            self._check(part.chunk, pieces(part.chunk, block.view[: part.chunk.length]))
        else:
            self._check(part.chunk, pieces(part.chunk, part.target))

    def _alone(self, chunk: Chunk, target: memoryview) -> Pieces:
        """Fill the pieces of a chunk one after another."""
        return (piece() for piece in self._pieces(chunk, target))

    def _shared(self, chunk: Chunk, target: memoryview) -> Pieces:
        """Fill the pieces of a chunk, the first half of them here and the others meanwhile."""
        pieces = list(self._pieces(chunk, target))
        half = len(pieces) // 2
        tasks = [BYTES.hand(piece) for piece in pieces[half:]]
        try:
            for piece in pieces[:half]:
                yield piece()
            for task in tasks:
                yield task.result()
        finally:
            for task in tasks:
                task.wait()

    def _pieces(self, chunk: Chunk, target: memoryview) -> Iterator[Callable[[], memoryview]]:
        """Give what fills the pieces of a chunk: in any order, and by any thread."""
        for at in range(0, chunk.length, _PIECE):
            yield partial(self._piece, chunk, target[at : at + _PIECE], at)

    def _piece(self, chunk: Chunk, piece: memoryview, at: int) -> memoryview:
        try:
            self._reader.read_into(chunk.offset + at, piece)
        except DamagedError as error:
            error.chunk = chunk  # type: ignore[attr-defined]  # a fact of the case, as in the others
            raise
        return piece

    def _check(self, chunk: Chunk, pieces: Pieces) -> None:
        digest = blake3()
        # Closed at once, also after a Ctrl-C: else a worker may yet fill memory that is used again.
        with closing(pieces):
            for piece in pieces:
                digest.update(piece)
        if digest.hexdigest() != chunk.digest:
            raise self._altered(chunk)

    def _expand(self, part: _Part) -> None:
        chunk, target = part
        assert target is not None  # noqa: S101 - what is compressed is not mapped
        squeezed = bytearray(chunk.stored)
        self._piece(chunk, memoryview(squeezed), 0)
        try:
            data = expanded(chunk, squeezed)
        except ValueError as error:
            raise self._altered(chunk) from error
        if digest_of(data) != chunk.digest:
            raise self._altered(chunk)
        target[:] = data

    def _unlock(self, part: _Part) -> None:
        chunk, target = part
        assert target is not None  # noqa: S101 - what is encrypted is not mapped
        self._piece(chunk, target, 0)
        try:
            open_in_place(target, chunk.lock)
        except ValueError as error:
            raise self._altered(chunk) from error
        if digest_of(target) != chunk.digest:
            raise self._altered(chunk)

    def _altered(self, chunk: Chunk) -> DamagedError:
        return altered(self._store, pack_key(self._folder, chunk.pack), chunk)


def _jobs(parts: Iterable[_Part]) -> Iterator[list[_Part]]:
    """Put small parts together, so that handing them over is not most of the work."""
    job: list[_Part] = []
    size = 0
    for part in parts:
        job.append(part)
        size += part.chunk.length
        if size >= _PIECE:
            yield job
            job, size = [], 0
    if job:
        yield job
