"""A checkpoint maps slot names to entries; an entry names the chunks that hold its bytes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lattice_addons._amounts import size
from lattice_addons.checkpoint._slots import Slots

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lattice_addons.checkpoint._part import At, Part
    from lattice_addons.checkpoint._summary import Summary
    from lattice_addons.encoding import Encoded
    from lattice_addons.errors import LatticeError

FORMAT = 1
CHUNK = 4 * 1024 * 1024
#: A buffer of this size or more begins at the start of a page of its pack, so that it can be mapped.
LARGE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Chunk:
    """Up to 4 MiB of a buffer: its BLAKE3 digest, and where in which pack its bytes lie.

    One that was compressed (by zstd) takes ``stored`` bytes there; with 0 it lies there as it is. One that was
    encrypted, after that, has a ``lock``: the key that opens it, and the tag that proves it.
    """

    __module__ = "lattice_addons.checkpoint"

    digest: str
    length: int
    pack: str
    offset: int
    stored: int = 0
    lock: str = field(default="", repr=False)

    @property
    def extent(self) -> int:
        """How many bytes it takes in its pack."""
        return self.stored or self.length


@dataclass(frozen=True, slots=True)
class Entry:
    """One slot as a manifest describes it.

    A value too long for the manifest is None here, and its JSON text is the first buffer. One that another rank stores
    for all is neither here nor in buffers: ``at`` says where it is. ``summaries`` are for people.
    """

    __module__ = "lattice_addons.checkpoint"

    manager: str
    encoding: str
    type: str
    size: int
    value: bytes | None
    buffers: tuple[tuple[Chunk, ...], ...]
    at: At | None = None
    summaries: tuple[Summary, ...] = ()

    def chunks(self) -> Iterator[Chunk]:
        """Give every chunk of every buffer, in order."""
        for buffer in self.buffers:
            yield from buffer


@dataclass(frozen=True, slots=True)
class Fresh:
    """One slot whose value is to be written."""

    __module__ = "lattice_addons.checkpoint"

    manager: str
    encoded: Encoded


@dataclass(frozen=True)
class Checkpoint:
    """An immutable, numbered record of all slots of a rank at one instant.

    ``tables`` are parts of a manifest that would be too long: texts with small slots, stored as chunks. ``part`` says
    which checkpoint of the job it belongs to, where that is of several ranks.
    """

    __module__ = "lattice_addons.checkpoint"

    job: str
    rank: int
    number: int
    parent: int | None
    created: str
    reason: str
    notes: tuple[str, ...]
    program: Mapping[str, object]
    metrics: Mapping[str, object]
    slots: Mapping[str, Entry]
    tables: tuple[tuple[Chunk, ...], ...] = ()
    format: int = FORMAT
    part: Part | None = None
    #: The values of hyper-parameters that were in force, by manager and name, as plain data.
    hyperparams: Mapping[str, Mapping[str, object]] = field(default_factory=dict)

    @property
    def lines(self) -> Mapping[str, Entry]:
        """The slots that have a line in the manifest: all that are not in tables, which are not read for it."""
        return self.slots.lines if isinstance(self.slots, Slots) else self.slots

    def _repr_html_(self) -> str:
        from lattice_addons._html import table

        rows = [
            (
                name,
                entry.type.removeprefix("builtins."),
                entry.manager,
                f"{entry.encoding}, {size(entry.size)}",
            )
            for name, entry in self.lines.items()
        ]
        # Those in tables would have to be read.
        below = ["and small slots, stored together"] if self.tables else []
        notes = "".join(f"; {note}" for note in self.notes)
        above = f"checkpoint {self.number} of job {self.job!r}, rank {self.rank} ({self.reason}, {self.created}){notes}"
        return table(("slot", "type", "manager", "stored as"), rows, above=above, below=below)

    def chunks(self) -> Iterator[Chunk]:
        """Give every chunk of every table and slot."""
        for table in self.tables:
            yield from table
        # Slots in tables have none.
        for entry in self.lines.values():
            yield from entry.chunks()

    def refers(self) -> frozenset[At]:
        """Say where the values are that other ranks store for all."""
        return frozenset(entry.at for entry in self.lines.values() if entry.at is not None)

    def read_tables(self) -> None:
        """See that all tables can be read; `DamagedError` otherwise."""
        if isinstance(self.slots, Slots):
            self.slots.read()


@dataclass(frozen=True, slots=True)
class Finding:
    """What verification says of one slot of one checkpoint, or of a whole manifest (``slot`` is None)."""

    __module__ = "lattice_addons.checkpoint"

    number: int
    slot: str | None
    error: LatticeError | None

    @property
    def good(self) -> bool:
        """Say whether every byte is what was written."""
        return self.error is None
