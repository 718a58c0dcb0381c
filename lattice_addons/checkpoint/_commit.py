"""Chunks first, manifest last: a checkpoint is there when its manifest is."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from lattice_addons.checkpoint._costs import log_save, measured
from lattice_addons.checkpoint._follow import Follower
from lattice_addons.checkpoint._layout import manifest_key, pack_key
from lattice_addons.checkpoint._manifest import LARGEST, inline, to_text
from lattice_addons.checkpoint._model import Checkpoint, Entry, Fresh
from lattice_addons.checkpoint._pack import PackWriter
from lattice_addons.checkpoint._pieces import Saved
from lattice_addons.checkpoint._pour import Cut, poured
from lattice_addons.checkpoint._read import read_buffers
from lattice_addons.checkpoint._slots import Slots
from lattice_addons.checkpoint._summaries import LINE as SUMMARY
from lattice_addons.checkpoint._tables import Table as SlotTable
from lattice_addons.checkpoint._tables import spill
from lattice_addons.checkpoint._texts import as_stored
from lattice_addons.errors import EncodeError, NotInStoreError, StoreError, UnkeepableError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from lattice_addons.checkpoint._catalog import Catalog
    from lattice_addons.checkpoint._cipher import Cipher
    from lattice_addons.checkpoint._model import Chunk
    from lattice_addons.checkpoint._pieces import Piece
    from lattice_addons.checkpoint._summaries import Looks
    from lattice_addons.storage import Store

__all__ = ["Commit", "Packs"]

_log = logging.getLogger("lattice_addons.checkpoint")
# Of the largest manifest, what is left to its header.
_HEADER_ROOM = 512 * 1024
# How long a slot's line is, about, beside its value.
_SLOT_LINE, _CHUNK_LINE = 300, 128


class Packs:
    """The packs that are in the store now, each asked for once; those that are ``going`` are not."""

    def __init__(self, store: Store, folder: str, going: Collection[str] = ()) -> None:
        self._store = store
        self._folder = folder
        self._going = going
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
        return chunk.pack not in self._going and chunk.offset + chunk.extent <= self.size(chunk.pack)


#: The text of a table, or the chunks of one that has not changed.
Table: TypeAlias = "bytes | tuple[Chunk, ...]"
_Line: TypeAlias = "tuple[str, bytes | None, Sequence[Sequence[object]]]"


@dataclass
class _Added:
    """A slot whose bytes are on their way into the pack; those of ``text`` did not fit into the manifest."""

    fresh: Fresh
    value: bytes | None = None
    text: list[Piece] = field(default_factory=list)
    buffers: list[list[Piece]] = field(default_factory=list)
    looks: Looks | None = None

    @property
    def parts(self) -> list[list[Piece]]:
        """Give the pieces of each buffer that the entry will have."""
        return [self.text, *self.buffers] if self.text else self.buffers

    def entry(self) -> Entry:
        """Give what the manifest says; each piece's chunk must be known."""
        encoded = self.fresh.encoded
        buffers = tuple(map(_chunks, self.parts))
        entry = Entry(self.fresh.manager, encoded.encoding, encoded.type, encoded.size, self.value, buffers)
        summaries = self.looks.summaries(self.buffers) if self.looks else ()
        return replace(entry, summaries=summaries) if summaries else entry

    def tracked(self, name: str) -> Iterator[tuple[tuple[str, int], list[Piece]]]:
        """Give the buffers that will be compared at the next save, each with its place."""
        for number, pieces in enumerate((self.text, *self.buffers), -1):
            if pieces and pieces[0].tracked:
                yield (name, number), pieces


@dataclass
class Commit:
    """One checkpoint that is being written.

    ``seen`` is what the last save found at each place, and is what this one found once it is committed.
    ``older`` gives the newest older value of a slot whose bytes are all there, for one whose bytes are gone.
    """

    store: Store
    folder: str
    catalog: Catalog
    key: bytes | None
    seen: dict[tuple[str, int], list[Saved]]
    older: Callable[[str, Packs], Entry | None]
    cipher: Cipher | None = None

    def __post_init__(self) -> None:
        """Trust no pack to be still there: somebody may have removed the root."""
        self.packs = Packs(self.store, self.folder, self.catalog.going)
        self._told = 0

    def write(
        self,
        slots: Mapping[str, Fresh | Entry],
        tables: Sequence[Table] = (),
        metrics: Mapping[str, Any] | None = None,
        **header: Any,  # noqa: ANN401 - as Checkpoint's
    ) -> Checkpoint:
        """Write the slots and commit them; the header is what `Checkpoint` has beside them."""
        begun = time.perf_counter()
        with PackWriter(self.store, self.folder, self.known, self.here, self.cipher) as pack:
            carried = {
                name: self._carried(name, each) for name, each in slots.items() if isinstance(each, Entry)
            }
            added = {
                name: self._add(name, each, pack) for name, each in slots.items() if isinstance(each, Fresh)
            }
            small, large = _by_size(carried, added)
            size = sum(len(table) for table in tables if isinstance(table, bytes))
            room = LARGEST - _HEADER_ROOM - sum(_length(*each) for each in large) - self._told * SUMMARY
            kept, spilled = spill(small, room)
            tables = (*tables, *spilled)
            texts = [pack.add(table) if isinstance(table, bytes) else [] for table in tables]
        written = time.perf_counter()
        entries = carried | small | {name: slot.entry() for name, slot in added.items() if slot.parts}
        lines = {name: entries[name] for name in slots if name in kept or name not in small}
        made = list(map(self._table, tables, texts))
        checkpoint = Checkpoint(
            slots=Slots(lines, made, partial(read_buffers, self.store, self.folder)),
            tables=tuple(table.chunks for table in made),
            metrics=measured(entries, size, pack, written - begun, metrics or {}),
            created=datetime.now(timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            **header,
        )
        self._put(checkpoint, pack)
        self._remember(added, slots)
        log_save(checkpoint, time.perf_counter() - written)
        return checkpoint

    def known(self, digest: str) -> Chunk | None:
        """Give the chunk of this digest, if there is one in the store, and encrypted where it would be."""
        chunk = self._found(digest)
        return chunk if chunk is not None and bool(chunk.lock) == (self.cipher is not None) else None

    def _found(self, digest: str) -> Chunk | None:
        chunk = self.catalog.find(digest)
        return chunk if chunk is not None and self.packs.hold(chunk) else None

    def here(self, chunk: Chunk) -> Chunk | None:
        """Give where a chunk's bytes are now, if they are in the store."""
        chunk = self.catalog.where(chunk)
        return chunk if self.packs.hold(chunk) and not self.catalog.is_bad(chunk) else None

    def _table(self, given: Table, pieces: Iterable[Piece]) -> SlotTable:
        if isinstance(given, bytes):
            return SlotTable(_chunks(pieces), given)
        return SlotTable(tuple(self.here(chunk) or chunk for chunk in given))

    def _put(self, checkpoint: Checkpoint, pack: PackWriter) -> None:
        key = manifest_key(self.folder, checkpoint.number)
        try:
            self.store.put(key, to_text(checkpoint, self.key, self.cipher))
        except BaseException:
            # Its pack would fill a disk that is full already. But a manifest may be there although it was not
            # acknowledged, and then its pack must stay.
            with suppress(StoreError):
                if pack.name and key not in self.store.list(f"{self.folder}checkpoints/"):
                    self.store.delete([pack_key(self.folder, pack.name)])
            raise
        if pack.name:
            self.catalog.written[pack.name] = checkpoint.number
        self.catalog.add(checkpoint)

    def _remember(self, added: Mapping[str, _Added], slots: Mapping[str, Fresh | Entry]) -> None:
        for name, slot in added.items():
            for place, pieces in slot.tracked(name):
                self.seen[place] = [_saved(piece) for piece in pieces]
        for place in [place for place in self.seen if place[0] not in slots]:
            del self.seen[place]
        self.catalog.summaries.keep(
            {name: slot.looks for name, slot in added.items() if slot.looks}, slots.keys()
        )

    def _add(self, name: str, fresh: Fresh, pack: PackWriter) -> _Added:
        try:
            name.encode()
            added = _Added(
                poured(fresh, Cut(partial(Follower, pack.add_piece, self.seen.get((name, 0), ()), self.here)))
            )
            encoded = added.fresh.encoded
            if encoded.buffers:
                added.looks = self.catalog.summaries.look(name, encoded, self._told)
                self._told += len(added.looks)
            if encoded.value is not None:
                added.value = inline(encoded.value)
                if added.value is None:
                    added.text = pack.add(as_stored(encoded.value), self.seen.get((name, -1), ()))
            for number, buffer in enumerate(encoded.buffers):
                if isinstance(buffer, Cut):  # taken in while it was made
                    added.buffers.append(buffer.parts)
                else:
                    added.buffers.append(pack.add(buffer, self.seen.get((name, number), ())))
        except UnkeepableError as error:
            # The caller commits again with this slot's last good value.
            error.slot = name  # type: ignore[attr-defined]
            raise
        except UnicodeEncodeError:
            message = (
                f"the slot name {name!r} has a lone surrogate, which JSON cannot have; take another name"
            )
            raise EncodeError(message, type=fresh.encoded.type, where="", slot=name) from None
        return added

    def _carried(self, name: str, entry: Entry) -> Entry:
        """Give an entry whose bytes are in the store; where they are gone, an older one's."""
        if all(self.catalog.where(chunk) is chunk and self.packs.hold(chunk) for chunk in entry.chunks()):
            return entry
        return self._relocated(entry) or self._rescued(name, entry)

    def _relocated(self, entry: Entry) -> Entry | None:
        """Find the same bytes in other packs."""
        found = [
            [self.here(chunk) or self._found(chunk.digest) for chunk in buffer] for buffer in entry.buffers
        ]
        if any(chunk is None for buffer in found for chunk in buffer):
            return None
        return replace(entry, buffers=tuple(tuple(c for c in buffer if c is not None) for buffer in found))

    def _rescued(self, name: str, entry: Entry) -> Entry:
        older = self.older(name, self.packs)
        if older is None:
            # The reference is kept: a lost pack may be put back from a backup.
            _log.error("the bytes of slot %r are gone from %s/%s", name, self.store.url, self.folder)
            return entry
        _log.error("the bytes of slot %r are gone; it is saved with an older value that is whole", name)
        return older


def _by_size(
    carried: Mapping[str, Entry], added: Mapping[str, _Added]
) -> tuple[dict[str, Entry], list[_Line]]:
    """Give the slots that are all in the manifest, and the lines of those that have buffers."""
    small = {name: entry for name, entry in carried.items() if not entry.buffers}
    small |= {name: slot.entry() for name, slot in added.items() if not slot.parts}
    large: list[_Line] = [(name, old.value, old.buffers) for name, old in carried.items() if old.buffers]
    large += [(name, slot.value, slot.parts) for name, slot in added.items() if slot.parts]
    return small, large


def _chunks(pieces: Iterable[Piece]) -> tuple[Chunk, ...]:
    return tuple(map(_chunk, pieces))


def _chunk(piece: Piece) -> Chunk:
    if piece.chunk is None:
        raise AssertionError("a piece of a value was given no place in a pack")
    return piece.chunk


def _saved(piece: Piece) -> Saved:
    return Saved(piece.fingerprint, _chunk(piece), changed=not piece.unchanged)


def _length(name: str, value: bytes | None, buffers: Sequence[Sequence[object]]) -> int:
    """Give how long the line of a slot is, about."""
    return len(name) + len(value or b"") + _SLOT_LINE + _CHUNK_LINE * sum(map(len, buffers))
