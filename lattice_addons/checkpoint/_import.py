"""A checkpoint from a file becomes the next one of a line: its chunks first, its manifest last."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from lattice_addons.checkpoint._cipher import opened
from lattice_addons.checkpoint._layout import pack_key
from lattice_addons.checkpoint._model import CHUNK, LARGE
from lattice_addons.checkpoint._portable import moved
from lattice_addons.checkpoint._read import read_chunk
from lattice_addons.errors import CheckpointError, DamagedError, RanksError, StoreError
from lattice_addons.storage import ulid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lattice_addons.checkpoint._line import Line
    from lattice_addons.checkpoint._model import Checkpoint, Chunk
    from lattice_addons.checkpoint._part import Part
    from lattice_addons.checkpoint._portable import Portable

__all__ = ["imported"]

_PAGE: Final = 4096


def imported(line: Line, portable: Portable) -> Checkpoint:
    """Commit what is in a file as the next checkpoint of a line.

    Raises:
        LeaseHeldError: another process writes this line.
        FormatError, UntrustedError, WrongKeyError: the line goes on from a checkpoint that this process cannot use.
        RanksError: it is a part of a checkpoint of several ranks, and this one is further already.
        StoreError: it could not be written; the line is as it was.
    """
    begun = time.perf_counter()
    line.acquire()
    # The next checkpoint must not hide one of a newer format, or of another key; a damaged one it may replace.
    with suppress(DamagedError):
        line.newest()
    _check_part(line, portable.checkpoint.part)
    places = _known(line, portable)
    pack = _Pack(places)
    for chunks in _buffers(portable.checkpoint):
        pack.place(chunks)
    if pack.added:
        with line.store.create(pack_key(line.folder, pack.name)) as writer:
            for chunk in pack.added:
                data, lock = _form(line, portable, chunk)
                places[chunk] = replace(places[chunk], lock=lock)
                writer.write_at(data, places[chunk].offset)
    there = line.numbers()
    try:
        return _commit(line, portable, pack, time.perf_counter() - begun)
    except BaseException:
        # A pack that nobody names would be swept later; but it may fill a disk that is full already.
        with suppress(StoreError):
            if pack.added and line.numbers() == there:
                line.store.delete([pack_key(line.folder, pack.name)])
        raise


def _check_part(line: Line, part: Part | None) -> None:
    """See that along the line attempts and instants go on rising: else none would be found any more."""
    if part is None:
        return
    last = next((each.part for each in line.history() if each.part is not None), None)
    if last is not None and part.place <= last.place:
        message = (
            f"the checkpoint is rank {line.rank}'s part of {part.instant} in attempt {part.attempt} of a job of "
            f"{part.world}, and job {line.job!r} is further ({last.instant} in attempt {last.attempt}): import the "
            "parts of all ranks into a job of its own, by --job NAME"
        )
        raise RanksError(message)


def _known(line: Line, portable: Portable) -> dict[Chunk, Chunk]:
    """Give where chunks of the file are in the line already, and read back."""
    wanted = {chunk.digest: chunk for chunk in portable.chunks()}
    block = memoryview(bytearray(CHUNK))
    places: dict[Chunk, Chunk] = {}
    for checkpoint in line.history() if wanted else ():
        with suppress(DamagedError):  # of a line in a manifest: the others are of use
            for chunk in checkpoint.chunks():
                asked = wanted.get(chunk.digest)
                alike = bool(chunk.lock) == (line.cipher is not None)
                if asked is not None and asked not in places and alike:
                    with suppress(CheckpointError):
                        read_chunk(line.store, line.folder, chunk, block[: chunk.length])
                        places[asked] = chunk
    return places


def _form(line: Line, portable: Portable, chunk: Chunk) -> tuple[bytes | memoryview, str]:
    """Give a chunk's bytes as the line stores them: with the key of that very line, whatever the file has."""
    data = portable.stored(chunk)
    plain = opened(data, chunk.lock) if chunk.lock else data
    return line.cipher.lock(plain) if line.cipher is not None else (plain, "")


def _buffers(checkpoint: Checkpoint) -> Iterator[tuple[Chunk, ...]]:
    yield from checkpoint.tables
    for entry in checkpoint.lines.values():
        yield from entry.buffers


class _Pack:
    """Where each chunk that is new will be: a large buffer at the start of a page, so that it can be mapped."""

    def __init__(self, places: dict[Chunk, Chunk]) -> None:
        self.name = ulid()
        self.places = places
        self.added: list[Chunk] = []
        self.size = 0

    def place(self, chunks: tuple[Chunk, ...]) -> None:
        """Give the chunks of one buffer their places."""
        if sum(chunk.length for chunk in chunks) >= LARGE:
            self.size += -self.size % _PAGE
        for chunk in chunks:
            if chunk not in self.places:
                self.places[chunk] = replace(chunk, pack=self.name, offset=self.size)
                self.added.append(chunk)
                self.size += chunk.extent


def _commit(line: Line, portable: Portable, pack: _Pack, seconds: float) -> Checkpoint:
    told = portable.checkpoint
    checkpoint = moved(told, pack.places.__getitem__)
    origin = (
        f"imported from {os.path.basename(portable.path)!r}: checkpoint {told.number} of job {told.job!r}, "
        f"rank {told.rank}, created {told.created}"
    )
    metrics = {
        "bytes_new": sum(chunk.length for chunk in pack.added),
        "bytes_written": pack.size,
        "stages": {"write": round(seconds, 6)},
    }
    return line.commit(
        checkpoint.slots,
        tables=checkpoint.tables,
        parent=None,
        # As it was: a job that is complete begins afresh, wherever it is.
        reason=told.reason,
        notes=(*told.notes, origin),
        program=told.program,
        hyperparams=told.hyperparams,
        metrics=metrics,
        part=told.part,
    )
