"""Stored bytes go into memory that the program has already, from many slots at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons.checkpoint._pieces import copy
from lattice_addons.checkpoint._read import read_into, renewed
from lattice_addons.checkpoint._streaming import stream
from lattice_addons.errors import DamagedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lattice_addons.checkpoint._model import Chunk
    from lattice_addons.storage import Store

    Buffers = Mapping[str, tuple[tuple[Chunk, ...], memoryview]]

__all__ = ["fill"]

# Chunks that are read one after another, by all threads together.
_FEW = 4


def fill(store: Store, folder: str, buffers: Buffers) -> dict[str, DamagedError]:
    """Fill each slot's memory with the bytes of its chunks, and say which slots are damaged."""
    damaged = _fill(store, folder, buffers)
    again = {name: buffers[name] for name, error in damaged.items() if renewed(store, error.key)}
    if again:
        rest = {name: error for name, error in damaged.items() if name not in again}
        damaged = rest | _fill(store, folder, again)
    return damaged


def _fill(store: Store, folder: str, buffers: Buffers) -> dict[str, DamagedError]:
    if sum(len(chunks) for chunks, _ in buffers.values()) <= _FEW:
        return _fill_few(store, folder, buffers)
    return _fill_many(store, folder, buffers)


def _fill_few(store: Store, folder: str, buffers: Buffers) -> dict[str, DamagedError]:
    """Read straight into the memory: there is too little to read, check and copy at the same time."""
    damaged: dict[str, DamagedError] = {}
    for name, (chunks, memory) in buffers.items():
        try:
            read_into(store, folder, chunks, memory)
        except DamagedError as error:
            damaged[name] = error
    return damaged


def _fill_many(store: Store, folder: str, buffers: Buffers) -> dict[str, DamagedError]:
    """Read past the system's cache, which would be the slower way for so much."""
    targets: dict[Chunk, list[memoryview]] = {}
    users: dict[Chunk, list[str]] = {}
    for name, (chunks, memory) in buffers.items():
        at = 0
        for chunk in chunks:
            targets.setdefault(chunk, []).append(memory[at : at + chunk.length])
            users.setdefault(chunk, []).append(name)
            at += chunk.length

    def use(chunk: Chunk, data: memoryview) -> None:
        for target in targets[chunk]:
            copy(data, target)

    damaged: dict[str, DamagedError] = {}
    for chunk, error in stream(store, folder, targets, use):
        if isinstance(error, DamagedError):
            damaged.update((name, error) for name in users[chunk])
        elif error is not None:
            raise error
    return damaged
