"""The slots of a checkpoint are lines of its manifest and rows of its tables, each looked at when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from lattice_addons.errors import DamagedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lattice_addons.checkpoint._model import Chunk, Entry
    from lattice_addons.checkpoint._tables import Table

    ReadTexts: TypeAlias = Callable[[list[tuple[Chunk, ...]]], Sequence[bytes | bytearray | memoryview]]

__all__ = ["Lines", "Slots"]

Row = TypeVar("Row")


class Slots(Mapping[str, "Entry"]):
    """All slots of one checkpoint by name; those with lines of their own come first.

    Asking for a slot, or for all, raises `DamagedError` where a table cannot be read.
    """

    __module__ = "lattice_addons.checkpoint"

    def __init__(
        self, lines: Mapping[str, Entry], tables: Iterable[Table] = (), read: ReadTexts | None = None
    ) -> None:
        self.lines = lines
        self.tables: tuple[Table, ...] = tuple(tables)
        self._read_texts = read
        self._rows: dict[str, Table] | None = None if self.tables else {}

    def read(self) -> None:
        """See that every table can be read, and no slot is at two places."""
        self._places()

    def __getitem__(self, name: str) -> Entry:
        """Give one slot."""
        if name in self.lines:
            return self.lines[name]
        return self._places()[name].entry(name)

    def __contains__(self, name: object) -> bool:
        """Tell whether there is a slot of this name."""
        return name in self.lines or name in self._places()

    def __iter__(self) -> Iterator[str]:
        """Go through the names."""
        yield from self.lines
        yield from self._places()

    def __len__(self) -> int:
        """Count the slots."""
        return len(self.lines) + len(self._places())

    def __repr__(self) -> str:
        """Say how many there are, as far as is known."""
        rows = "?" if self._rows is None else len(self._rows)
        return f"<Slots: {len(self.lines)} lines, {rows} rows of {len(self.tables)} tables>"

    def _places(self) -> dict[str, Table]:
        if self._rows is None:
            rows: dict[str, Table] = {}
            self._have_texts()
            for table in self.tables:
                rows.update(dict.fromkeys(table, table))
            if len(rows) != sum(map(len, self.tables)) or not rows.keys().isdisjoint(self.lines):
                message = (
                    "a slot is at two places of one checkpoint. `lattice verify` shows what is still good."
                )
                raise DamagedError(message, key="")
            self._rows = rows
        return self._rows

    def _have_texts(self) -> None:
        unread = [table for table in self.tables if table.text is None]
        if unread and self._read_texts is not None:
            for table, text in zip(unread, self._read_texts([table.chunks for table in unread]), strict=True):
                table.text = bytes(text)


class Lines(Mapping[str, Row], Generic[Row]):
    """What a manifest tells of each slot, made into what it means when it is first asked for."""

    def __init__(self, told: Mapping[str, Any], read: Callable[[str, Any], Row]) -> None:
        self._told = told
        self._read = read
        self._found: dict[str, Row] = {}

    def __getitem__(self, name: str) -> Row:
        """Give one slot."""
        if name not in self._found:
            self._found[name] = self._read(name, self._told[name])
        return self._found[name]

    def __contains__(self, name: object) -> bool:
        """Tell whether there is a slot of this name."""
        return name in self._told

    def __iter__(self) -> Iterator[str]:
        """Go through the names."""
        return iter(self._told)

    def __len__(self) -> int:
        """Count the slots."""
        return len(self._told)
