"""The results of a place are Parquet files, each whole: parts with many runs, and a file for each large table."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

from lattice_addons.errors import NotInStoreError
from lattice_addons.storage import ulid

from ._cells import loose
from ._columns import combined, only, table_of
from ._needs import needed
from ._rows import ABOUT, FILE, RESULTS, field_columns, named_beside

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ._place import Place
    from ._record import Record

__all__ = ["Key", "Layout", "key_of", "keys_of", "read_parts", "spread", "table_of_records", "write_part"]

#: Which run a row is of: the identity of its setting, and when it ended, in microseconds.
Key = tuple[str, int]
_LAYOUT = b"lattice"
_TRIES = 20


class Layout:
    """Which columns of a table are fields, and of which versions of the class: sets of fields."""

    def __init__(self, fields: Iterable[str] = (), versions: Iterable[Iterable[str]] = ()) -> None:
        self.fields = list(dict.fromkeys(fields))
        self.versions = {tuple(sorted(each)) for each in versions}

    def __or__(self, other: Layout) -> Layout:
        """Give the layout of two tables together."""
        return Layout([*self.fields, *other.fields], [*self.versions, *other.versions])

    @classmethod
    def of(cls, table: Any) -> Layout:
        """Read it from a table."""
        told = json.loads((table.schema.metadata or {}).get(_LAYOUT, b"{}"))
        return cls(told.get("fields", ()), told.get("versions", ()))

    def put(self, table: Any) -> Any:
        """Give a table in this layout: fields first, then results, then what is told of the run."""
        first = [name for name in self.fields if name in table.column_names]
        last = [name for name in ABOUT if name in table.column_names]
        between = [name for name in table.column_names if name not in {*first, *last}]
        told = {"fields": self.fields, "versions": sorted(self.versions)}
        return table.select([*first, *between, *last]).replace_schema_metadata({_LAYOUT: json.dumps(told)})


def table_of_records(records: Sequence[Record]) -> Any:
    """Give the rows of records as a table; a record without rows is one row, for it was run."""
    rows: list[dict[str, Any]] = []
    layout = Layout()
    for record in records:
        fields = field_columns(record.values)
        layout |= Layout(fields, [record.values])
        about = _about(record)
        for row in record.rows or [{}]:
            names = named_beside(row, fields)
            rows.append({**fields, **{names[name]: value for name, value in row.items()}, **about})
    for row in rows:
        if type(row.get(FILE)) is dict:
            (row[FILE],) = row[FILE].values()
    return layout.put(table_of(rows))


def _about(record: Record) -> dict[str, Any]:
    return {
        "name": loose(record.name),
        "identity": record.identity,
        "status": record.status,
        "started": _moment(record.started),
        "ended": _moment(record.ended),
        "seconds": float(record.seconds),
        "host": loose(record.host),
        "attempt": record.attempt,
        "log": loose(record.log),
        "error": loose(record.error.strip().rpartition("\n")[2]),
    }


def _moment(seconds: float) -> dict[str, str]:
    return {"datetime": dt.datetime.fromtimestamp(_micro(seconds) / 1e6, dt.timezone.utc).isoformat()}


def _micro(seconds: float) -> int:
    return round(seconds * 1e6)


def key_of(identity: str, ended: float) -> Key:
    """Give the key of a run."""
    return identity, _micro(_micro(ended) / 1e6)


def keys_of(table: Any) -> list[Key]:
    """Give the key of each row."""
    pa = needed("pyarrow")
    ended = table.column("ended").cast(pa.timestamp("us", "UTC")).cast(pa.int64())
    return list(zip(table.column("identity").to_pylist(), ended.to_pylist(), strict=True))


def write_part(place: Place, table: Any) -> str:
    """Write a part, durably; give its key.

    Raises: `StoreError`
    """
    pa, parquet = needed("pyarrow"), needed("pyarrow.parquet")
    sink = pa.BufferOutputStream()
    parquet.write_table(table, sink, compression="zstd")
    key = f"{RESULTS}/part-{ulid()}.parquet"
    place.store.put(key, memoryview(sink.getvalue()))
    return key


def read_table(place: Place, key: str, columns: Sequence[str] | None = None) -> Any:
    """Read a file of the results, or some of its columns."""
    pa, parquet = needed("pyarrow"), needed("pyarrow.parquet")
    # In arrow's own memory: its threads let go of it a little after the table is there, and of an object of Python's
    # they can do so only with the interpreter's lock; a program that ends just then is aborted (apache/arrow#34314).
    memory = pa.BufferOutputStream()
    memory.write(place.store.read(key))
    return parquet.ParquetFile(pa.BufferReader(memory.getvalue())).read(columns)


def part_keys(place: Place) -> list[str]:
    """Give the keys of the parts, the newest first."""
    names = place.store.list(RESULTS)
    return [name for name in reversed(names) if name.startswith(f"{RESULTS}/part-")]


def read_parts(place: Place, columns: Sequence[str] | None = None) -> list[Any]:
    """Give the tables of all parts, the newest first, each run in the newest part that has it."""
    for _ in range(_TRIES):
        try:
            tables = [read_table(place, key, columns) for key in part_keys(place)]
        except NotInStoreError:  # the runner has just put parts together, and what it had is in a new one
            continue
        seen: set[Key] = set()
        found = []
        for table in tables:
            keys = keys_of(table)
            found.append(only(table, [key not in seen for key in keys]))
            seen.update(keys)
        return found
    return []


def spread(place: Place, table: Any) -> Any:
    """Give a table in which the rows that name a file are replaced by those that are in it."""
    pa = needed("pyarrow")
    if FILE not in table.column_names:
        return table
    layout, names = Layout.of(table), table.column(FILE).to_pylist()
    fields = [name for name in layout.fields if name in table.column_names]
    kept = [name for name in table.column_names if name not in (FILE, "@rows")]
    parts = [only(table, [name is None for name in names]).select(kept)]
    for at, key in enumerate(names):
        if key is None:
            continue
        rows, own = read_table(place, key), {*fields, *ABOUT}
        columns = {name: rows.column(name) for name in rows.column_names if name not in own}
        for name in (*fields, *ABOUT):
            value = table.column(name)[at]
            columns[name] = pa.array([value.as_py()] * rows.num_rows, table.schema.field(name).type)
        parts.append(pa.table(columns))
    return layout.put(combined(parts))
