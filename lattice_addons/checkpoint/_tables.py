"""A table holds many small slots of one manager in one text, so that the manifest need not."""

from __future__ import annotations

from binascii import crc32
from typing import TYPE_CHECKING, Any, Final

import orjson

from lattice_addons.checkpoint._model import Entry
from lattice_addons.checkpoint._parsed import parsed
from lattice_addons.errors import DamagedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lattice_addons.checkpoint._model import Chunk

__all__ = ["Table", "ends_table", "is_small", "spill", "table_text"]

# How long the JSON text of a value in a table is at most; longer ones would be written again and again.
_SMALL: Final = 1024
# A table ends after one name in so many, and before it is so long.
_ROWS = 512
_LONGEST = 1024 * 1024
# How long a slot's line is, about, beside its name and value.
_LINE = 300
_TYPES = frozenset(f"builtins.{name}" for name in ("NoneType", "bool", "int", "float", "str", "list", "dict"))
_FIELDS = {"manager": str, "names": list, "values": list}
_TAGS = {"$float": "builtins.float", "$int": "builtins.int"}


def is_small(text: bytes, values: int = 1) -> bool:
    """Say whether the JSON text of so many values is short enough to stand in a table."""
    return len(text) <= _SMALL * values


def ends_table(name: str) -> bool:
    """Say whether a table ends after the slot of this name.

    The name alone decides, so that a slot that comes or goes changes one table and not all that follow.
    """
    return crc32(name.encode("utf-8", "surrogatepass")) % _ROWS == 0


def table_text(manager: str, names: Sequence[str], values: bytes) -> bytes:
    """Give the text of a table; the values are a JSON array in the order of the slots' names."""
    return b'{"manager":%b,"names":%b,"values":%b}' % (orjson.dumps(manager), orjson.dumps(names), values)


class Table:
    """One table of a checkpoint; its text must be there before it is looked at."""

    __slots__ = ("_manager", "_values", "chunks", "text")

    def __init__(self, chunks: tuple[Chunk, ...], text: bytes | None = None) -> None:
        self.chunks = chunks
        self.text = text
        self._manager = ""
        self._values: dict[str, Any] | None = None

    def __iter__(self) -> Iterator[str]:
        """Go through the names of its slots."""
        return iter(self._rows())

    def __len__(self) -> int:
        """Count its slots."""
        return len(self._rows())

    def entry(self, name: str) -> Entry:
        """Give one slot as a line of a manifest would.

        Raises:
            DamagedError: its value is none that is ever written.
        """
        value = self._rows()[name]
        try:
            text = orjson.dumps(value)
        except orjson.JSONEncodeError:  # what is read nests up to 1024 deep, what is written up to 254
            raise self._damaged(f"the value of slot {name!r} is nested deeper than is ever written") from None
        return Entry(self._manager, "json", _type_of(value), len(text), text, ())

    def _rows(self) -> dict[str, Any]:
        if self._values is None:
            try:
                told = parsed(self.text or b"")
            except orjson.JSONDecodeError as error:
                raise self._damaged(f"it is not JSON ({error})") from None
            if type(told) is not dict or told.keys() != _FIELDS.keys():
                raise self._damaged("its fields are not manager, names and values")
            if any(type(told[name]) is not kind for name, kind in _FIELDS.items()):
                raise self._damaged("its fields are not of the right types")
            names, values = told["names"], told["values"]
            if (
                not set(map(type, names)) <= {str}
                or len(names) != len(values)
                or len(set(names)) != len(names)
            ):
                raise self._damaged("it has not one value for each name")
            self._manager, self._values = told["manager"], dict(zip(names, values, strict=True))
        return self._values

    def _damaged(self, what: str) -> DamagedError:
        pack = self.chunks[0].pack if self.chunks else ""
        message = f"a table of slots in the pack {pack} is damaged: {what}. `lattice verify` shows what is still good."
        return DamagedError(message, key=pack)


def _type_of(value: object) -> str:
    if type(value) is dict and len(value) == 1:
        [key] = value
        return _TAGS.get(key, "builtins.dict")
    return f"builtins.{type(value).__name__}"


def spill(entries: Mapping[str, Entry], room: int) -> tuple[dict[str, Entry], list[bytes]]:
    """Give the slots whose lines fit into a manifest that has so much room, and the texts of tables of the others."""
    kept = dict(entries)
    room -= sum(map(_length, kept, kept.values()))
    if room >= 0:
        return kept, []
    suited = [name for name, entry in kept.items() if not entry.buffers and entry.type in _TYPES]
    suited = [name for name in suited if kept[name].encoding == "json" and kept[name].value is not None]
    small = {name: kept.pop(name) for name in suited if len(kept[name].value or b"") <= _SMALL}
    room += sum(map(_length, small, small.values()))
    large = {}
    for name in reversed(suited):
        if room < 0 and name in kept:
            room += _length(name, kept[name])
            large[name] = kept.pop(name)
    return kept, [*_tables(small), *_tables(large)]


def _length(name: str, entry: Entry) -> int:
    return len(name) + len(entry.value or b"") + _LINE


def _tables(entries: Mapping[str, Entry]) -> Iterator[bytes]:
    managers = dict.fromkeys(entry.manager for entry in entries.values())
    for manager in managers:
        names: list[str] = []
        values: list[bytes] = []
        length = 0
        for name, entry in entries.items():
            if entry.manager != manager or entry.value is None:
                continue
            names.append(name)
            values.append(entry.value)
            length += len(entry.value)
            if length > _LONGEST or ends_table(name):
                yield table_text(manager, names, b"[%b]" % b",".join(values))
                names, values, length = [], [], 0
        if names:
            yield table_text(manager, names, b"[%b]" % b",".join(values))
