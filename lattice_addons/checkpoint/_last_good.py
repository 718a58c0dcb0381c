"""A slot's last good value stays, however old its checkpoint, while the newest has only damaged bytes for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons.checkpoint._model import CHUNK
from lattice_addons.checkpoint._read import read_chunk
from lattice_addons.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lattice_addons.checkpoint._catalog import Catalog
    from lattice_addons.checkpoint._commit import Packs
    from lattice_addons.checkpoint._line import Line
    from lattice_addons.checkpoint._model import Checkpoint, Chunk, Entry
    from lattice_addons.storage import Store

__all__ = ["LastGood", "older_entry"]


def older_entry(line: Line, name: str, packs: Packs) -> Entry | None:
    """Give the newest value of a slot whose bytes are all there."""
    for checkpoint in line.history():
        entry = checkpoint.slots.get(name)
        if entry is not None and all(map(packs.hold, entry.chunks())):
            return entry
    return None


class LastGood:
    """Which checkpoints must stay for a slot that is carried forward by a reference nobody has looked behind."""

    def __init__(self, store: Store, folder: str, catalog: Catalog) -> None:
        self._store = store
        self._folder = folder
        self._catalog = catalog
        # Each chunk is read once in a process: what was good then is what this process vouches for.
        self._seen: dict[Chunk, bool] = {}

    def among(self, history: Iterable[Checkpoint], newest: Checkpoint) -> set[int]:
        """Give those, of what is older, that have the last good value of a slot.

        The history is newest first. Only bytes that matter are read, and manifests as far as they do.
        """
        carried = {name: entry for name, entry in newest.lines.items() if self._is_of_others(entry)}
        needed: set[int] = set()
        for older in history if carried else ():
            try:
                # A slot that has been the same all along has no other value to be kept.
                others = {name: older.slots[name] for name in carried if name in older.slots}
            except CheckpointError:
                continue  # its tables are damaged
            for name in [name for name, entry in others.items() if entry != carried[name]]:
                if self._is_good(carried[name]):
                    del carried[name]
                elif self._is_good(others[name]):
                    del carried[name]
                    needed.add(older.number)
            if not carried:
                break
        return needed

    def _is_of_others(self, entry: Entry) -> bool:
        """Say whether an earlier process wrote some of it; our own is read back when it is written."""
        return any(chunk.pack not in self._catalog.written for chunk in entry.chunks())

    def _is_good(self, entry: Entry) -> bool:
        return all(map(self._reads_back, entry.chunks()))

    def _reads_back(self, chunk: Chunk) -> bool:
        if chunk not in self._seen:
            try:
                read_chunk(self._store, self._folder, chunk, memoryview(bytearray(min(chunk.length, CHUNK))))
            except CheckpointError:
                self._seen[chunk] = False
            else:
                self._seen[chunk] = True
        return self._seen[chunk]
