"""A checkpoint is written as one file, every byte of it read and verified on the way."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

from lattice_addons.checkpoint._ahead import Ahead
from lattice_addons.checkpoint._layout import pack_key
from lattice_addons.checkpoint._manifest import to_text
from lattice_addons.checkpoint._model import CHUNK
from lattice_addons.checkpoint._opened import OpenPacks, altered
from lattice_addons.checkpoint._portable import BLOCK, MANIFEST, PACK, moved
from lattice_addons.checkpoint._read import digest_of, expanded
from lattice_addons.checkpoint._shared import found
from lattice_addons.errors import DamagedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lattice_addons.checkpoint._line import Line
    from lattice_addons.checkpoint._model import Checkpoint, Chunk, Entry

__all__ = ["exported"]


def exported(line: Line, checkpoint: Checkpoint) -> Iterator[bytes | memoryview]:
    """Give the bytes of a portable file, piece by piece; each is to be used before the next is asked for.

    Raises:
        DamagedError: some bytes of the checkpoint are not those that were written.
    """
    checkpoint, folders = _whole(line, checkpoint)
    locks = _locks(line, checkpoint, folders)
    places: dict[Chunk, Chunk] = {}
    # Of equal chunks that lie at two places one is enough.
    kept: dict[str, tuple[Chunk, Chunk]] = {}
    end = 0
    for chunk in checkpoint.chunks():
        if chunk.digest not in kept:
            lock = chunk.lock or locks.get(chunk, "")
            kept[chunk.digest] = (chunk, replace(chunk, pack=PACK, offset=end, lock=lock))
            end += chunk.extent
        places[chunk] = kept[chunk.digest][1]
    manifest = to_text(moved(checkpoint, places.__getitem__), line.settings.key, line.cipher)
    yield from _member(MANIFEST, len(manifest), iter((manifest,)))
    stored = _written(line, [chunk for chunk, _ in kept.values()], folders)
    yield from _member(f"{PACK}.pack", end, stored)
    yield bytes(2 * BLOCK)


def _whole(line: Line, checkpoint: Checkpoint) -> tuple[Checkpoint, dict[str, str]]:
    """Give a checkpoint with what another rank stores for it, and where each pack of that is: names are given once."""
    slots: dict[str, Entry] = {}
    folders: dict[str, str] = {}
    for name, entry in checkpoint.lines.items():
        there = found(line, entry, name)
        slots[name] = there.entry
        folders |= {chunk.pack: there.line.folder for chunk in there.entry.chunks() if there.line is not line}
    return (replace(checkpoint, slots=slots) if checkpoint.refers() else checkpoint), folders


def _member(name: str, size: int, pieces: Iterator[bytes | memoryview]) -> Iterator[bytes | memoryview]:
    import tarfile

    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    # Of all forms the one that has room for any size without another member that says it.
    yield info.tobuf(tarfile.GNU_FORMAT)
    yield from pieces
    yield bytes(-size % BLOCK)


def _locks(line: Line, checkpoint: Checkpoint, folders: Mapping[str, str]) -> dict[Chunk, str]:
    """Give the locks that chunks will have which were stored before there was a key: the manifest comes first."""
    if line.cipher is None:
        return {}
    plain = [chunk for chunk in dict.fromkeys(checkpoint.chunks()) if not chunk.lock]
    stored = _stored(line, plain, folders)
    return {chunk: line.cipher.lock(raw)[1] for chunk, raw in zip(plain, stored, strict=True)}


def _written(line: Line, chunks: list[Chunk], folders: Mapping[str, str]) -> Iterator[bytes | memoryview]:
    for chunk, raw in zip(chunks, _stored(line, chunks, folders), strict=True):
        yield raw if chunk.lock or line.cipher is None else line.cipher.lock(raw)[0]


def _stored(line: Line, chunks: list[Chunk], folders: Mapping[str, str]) -> Iterator[memoryview]:
    """Give each chunk as it is stored, verified."""
    block = memoryview(bytearray(CHUNK))
    for folder, group in groupby(chunks, key=lambda chunk: folders.get(chunk.pack, line.folder)):
        some = list(group)
        with OpenPacks(line.store, folder) as packs:
            packs.check(some)
            for chunk in Ahead(line.store, folder, some).each(some):
                raw = block[: chunk.extent]
                packs.open(chunk).read_into(chunk.offset, raw)
                if not _is_good(chunk, raw):
                    raise altered(line.store, pack_key(folder, chunk.pack), chunk)
                yield raw


def _is_good(chunk: Chunk, raw: memoryview) -> bool:
    try:
        return digest_of(expanded(chunk, raw)) == chunk.digest
    except (DamagedError, ValueError):
        return False
