"""Chunks first, manifest last: a checkpoint is there when its manifest is."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from lattice_addons.checkpoint._layout import manifest_key, pack_key
from lattice_addons.checkpoint._manifest import LARGEST, inline, to_text
from lattice_addons.checkpoint._model import Checkpoint, Entry, Fresh
from lattice_addons.checkpoint._pack import PackWriter
from lattice_addons.checkpoint._read import read_chunk
from lattice_addons.errors import DamagedError, EncodeError, NotInStoreError, StoreError, UnkeepableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lattice_addons.checkpoint._catalog import Catalog
    from lattice_addons.checkpoint._model import Chunk
    from lattice_addons.storage import Store

__all__ = ["Commit", "Packs"]

_log = logging.getLogger("lattice_addons.checkpoint")
# Of the largest manifest, what is left to its header.
_HEADER_ROOM = 512 * 1024
# How much may be moved out of packs that are mostly dead by one commit.
_MOVED_AT_ONCE = 64 * 1024 * 1024
# How long a slot's line is, about, beside its value.
_SLOT_LINE, _CHUNK_LINE = 300, 128


class Packs:
    """The packs that are in the store now, each asked for once."""

    def __init__(self, store: Store, folder: str) -> None:
        self._store = store
        self._folder = folder
        self._sizes: dict[str, int] = {}

    def size(self, pack: str) -> int:
        """Give a pack's size; -1 when it is not there."""
        if pack not in self._sizes:
            try:
                self._sizes[pack] = self._store.size(pack_key(self._folder, pack))
            except NotInStoreError:
                self._sizes[pack] = -1
        return self._sizes[pack]

    def hold(self, chunk: Chunk) -> bool:
        """Tell whether a chunk's pack is there, and long enough for it."""
        return chunk.offset + chunk.extent <= self.size(chunk.pack)


@dataclass
class Commit:
    """One checkpoint that is being written.

    ``older`` gives the newest older value of a slot whose bytes are all there, for one whose bytes are gone.
    """

    store: Store
    folder: str
    catalog: Catalog
    key: bytes | None
    older: Callable[[str, Packs], Entry | None]

    def __post_init__(self) -> None:
        """Trust no pack to be still there: somebody may have removed the root."""
        self.packs = Packs(self.store, self.folder)
        self._room = LARGEST - _HEADER_ROOM
        self._movable = 0

    def write(self, slots: Mapping[str, Fresh | Entry], **header: Any) -> Checkpoint:  # noqa: ANN401 - as Checkpoint's
        """Write the slots and commit them; the header is what `Checkpoint` has beside them."""
        begun = time.perf_counter()
        with PackWriter(self.store, self.folder, self._known) as pack:
            if not str(header["reason"]).startswith("signal:"):  # there is no time to tidy up
                self._movable = _MOVED_AT_ONCE
            entries = {name: slot for name, slot in slots.items() if isinstance(slot, Entry)}
            carried = {name: self._carried(name, entry, pack) for name, entry in entries.items()}
            values = {name: slot for name, slot in slots.items() if isinstance(slot, Fresh)}
            fresh = {name: self._written(name, value, pack) for name, value in values.items()}
        both = carried | fresh
        entries = {name: both[name] for name in slots}
        metrics = {
            "bytes_total": sum(entry.size for entry in entries.values()),
            "bytes_new": pack.bytes_new,
            "seconds": round(time.perf_counter() - begun, 6),
        }
        created = datetime.now(timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")
        checkpoint = Checkpoint(slots=entries, metrics=metrics, created=created, **header)
        self._put(checkpoint, pack)
        return checkpoint

    def _put(self, checkpoint: Checkpoint, pack: PackWriter) -> None:
        key = manifest_key(self.folder, checkpoint.number)
        try:
            self.store.put(key, to_text(checkpoint, self.key))
        except BaseException:
            # Its pack would fill a disk that is full already. But a manifest may be there although it was not
            # acknowledged, and then its pack must stay.
            with suppress(StoreError):
                if pack.name is not None and key not in self.store.list(f"{self.folder}checkpoints/"):
                    self.store.delete([pack_key(self.folder, pack.name)])
            raise
        if pack.name is not None:
            self.catalog.written[pack.name] = checkpoint.number
        self.catalog.add(checkpoint)

    def _known(self, digest: str) -> Chunk | None:
        chunk = self.catalog.find(digest)
        if chunk is None or not self.packs.hold(chunk):
            return None
        if self._is_to_move(chunk):
            self._movable -= chunk.extent
            return None
        return chunk

    def _is_to_move(self, chunk: Chunk) -> bool:
        return chunk.pack in self.catalog.sparse and chunk.extent <= self._movable

    def _written(self, name: str, fresh: Fresh, pack: PackWriter) -> Entry:
        encoded = fresh.encoded
        try:
            name.encode()
            value = inline(encoded.value) if encoded.value is not None else None
            if value is not None and len(value) > self._room:
                value = None
            spilled = () if value is not None or encoded.value is None else (encoded.value,)
            buffers = tuple(pack.add(buffer) for buffer in (*spilled, *encoded.buffers))
        except UnkeepableError as error:
            # The caller commits again with this slot's last good value.
            error.slot = name  # type: ignore[attr-defined]
            raise
        except UnicodeEncodeError:
            message = (
                f"the slot name {name!r} has a lone surrogate, which JSON cannot have; take another name"
            )
            raise EncodeError(message, type=encoded.type, where="", slot=name) from None
        entry = Entry(fresh.manager, encoded.encoding, encoded.type, encoded.size, value, buffers)
        self._room -= _length(entry)
        return entry

    def _carried(self, name: str, entry: Entry, pack: PackWriter) -> Entry:
        """Give an entry whose bytes are in the store; where they are gone, an older one's."""
        if not all(map(self.packs.hold, entry.chunks())):
            entry = self._relocated(entry) or self._rescued(name, entry)
        elif any(map(self._is_to_move, entry.chunks())):
            buffers = (tuple(self._moved(chunk, pack) for chunk in buffer) for buffer in entry.buffers)
            entry = replace(entry, buffers=tuple(buffers))
        self._room -= _length(entry)
        return entry

    def _moved(self, chunk: Chunk, pack: PackWriter) -> Chunk:
        """Write a chunk again, out of a pack that is mostly dead."""
        if not self._is_to_move(chunk):
            return chunk
        data = bytearray(chunk.length)
        try:
            read_chunk(self.store, self.folder, chunk, memoryview(data))
        except DamagedError:
            return chunk  # it stays what it is: damaged, and found so by who reads it
        return pack.add(bytes(data))[0]

    def _relocated(self, entry: Entry) -> Entry | None:
        """Find the same bytes in other packs."""
        found = [[self._elsewhere(chunk) for chunk in buffer] for buffer in entry.buffers]
        if any(chunk is None for buffer in found for chunk in buffer):
            return None
        return replace(entry, buffers=tuple(tuple(c for c in buffer if c is not None) for buffer in found))

    def _elsewhere(self, chunk: Chunk) -> Chunk | None:
        other = chunk if self.packs.hold(chunk) else self.catalog.find(chunk.digest)
        return other if other is not None and self.packs.hold(other) else None

    def _rescued(self, name: str, entry: Entry) -> Entry:
        older = self.older(name, self.packs)
        if older is None:
            # The reference is kept: a lost pack may be put back from a backup.
            _log.error("the bytes of slot %r are gone from %s%s", name, self.store.url, self.folder)
            return entry
        _log.error("the bytes of slot %r are gone; it is saved with an older value that is whole", name)
        return older


def _length(entry: Entry) -> int:
    chunks = sum(map(len, entry.buffers))
    return len(entry.value or b"") + _SLOT_LINE + _CHUNK_LINE * chunks
