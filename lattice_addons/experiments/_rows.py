"""Whatever a run returns becomes rows of plain data; a large table becomes a file of its own."""

from __future__ import annotations

import json
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from blake3 import blake3

from lattice_addons.errors import UnstorableResultError

from ._cells import cell, flat, free_name, loose, mapping_of, opened
from ._columns import plain_table, table_of
from ._needs import needed
from ._record import plain_values

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ._experiment import Experiment
    from ._place import Place

__all__ = [
    "ABOUT",
    "FILE",
    "LARGE",
    "RESULTS",
    "field_columns",
    "has_arrow",
    "named_beside",
    "rows_of",
    "shown",
]

#: The folder of a place in which the Parquet files are.
RESULTS = "results"
#: Bytes from which a result is a file of its own, and not part of the journal.
LARGE = 256 * 1024
#: What is told of each run beside its fields and what it returned.
ABOUT = ("name", "identity", "status", "started", "ended", "seconds", "host", "attempt", "log", "error")
#: The column that names the file in which a run's rows are.
FILE = "@table"
_TAG = "file"


def rows_of(returned: Any, setting: Experiment, place: Place | None = None) -> list[dict[str, Any]]:
    """Give rows of plain data, which any JSON can hold, for what a run returned; None is no row.

    With a place, what is larger than `LARGE` goes into a file there, durably, and the one row names the file.

    Raises:
        UnstorableResultError: it is no data, and where in it that is.
    """
    try:
        table = _table(returned)
        if table is not None and (place is None or table.nbytes <= LARGE):
            return [_row(row, f"[{number}].") for number, row in enumerate(table.to_pylist())]
        if table is None:
            rows = _rows(returned, type(setting))
            if place is None or len(json.dumps(rows)) <= LARGE:
                return rows
            table = table_of(rows)
    except UnstorableResultError as error:
        message = (
            f"{setting.name or type(setting).__qualname__}: run() returned what cannot be stored: {error}"
        )
        raise UnstorableResultError(
            message, experiment=type(setting).__qualname__, where=error.where
        ) from None
    assert place is not None  # noqa: S101 - else it was given as rows; this tells the type checker
    return [_kept_apart(table, setting, place)]


def shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """Give a row of a record with the values that its cells stand for."""
    return {
        name: value[_TAG] if name == FILE and type(value) is dict else opened(value)
        for name, value in row.items()
    }


def field_columns(values: Mapping[str, Any]) -> dict[str, Any]:
    """Give the fields of a setting as cells of a row, those of nested experiments by dotted names."""
    # As the journal has them: a row must not depend on whether it was read from there.
    plain = plain_values(dict(values))
    # A field that is called as a fact about runs is has another column than that.
    return {f"field.{name}" if name in ABOUT else name: loose(value) for name, value in flat(plain)}


def named_beside(names: Iterable[str], fields: Iterable[str]) -> dict[str, str]:
    """Give the columns of results: their own names, but for those that a field or a fact has already."""
    taken = {*fields, *ABOUT}
    columns: dict[str, str] = {}
    for name in names:
        own = name
        while own in taken:
            own = f"result.{own}"
        taken.add(own)
        columns[name] = own
    return columns


def _kept_apart(table: Any, setting: Experiment, place: Place) -> dict[str, Any]:
    """Write a table to a file of the place; give the row that names it."""
    pa, parquet = needed("pyarrow"), needed("pyarrow.parquet")
    fields = field_columns(setting.as_dict())
    own = {**fields, "identity": setting.identity, "name": setting.name}
    count = table.num_rows
    # Who reads the files with other tools sees of which setting they are.
    columns = {name: pa.array([opened(value)] * count) for name, value in own.items()}
    names = named_beside(table.column_names, fields)
    for name, column in zip(table.column_names, table.columns, strict=True):
        columns[names[name]] = column
    sink = pa.BufferOutputStream()
    parquet.write_table(pa.table(columns), sink, compression="zstd")
    content = memoryview(sink.getvalue())
    # By its contents: a file that a record names never becomes another one.
    key = f"{RESULTS}/table-{setting.identity}-{blake3(content).hexdigest()[:16]}.parquet"
    with place.waiting():
        place.store.replace(key, content)
    return {FILE: {_TAG: key}, "@rows": count}


def _rows(returned: Any, cls: type) -> list[dict[str, Any]]:
    if returned is None:
        return []
    if isinstance(returned, (list, tuple)) and any(_is_row(each) for each in returned):
        found: list[dict[str, Any]] = []
        for number, each in enumerate(returned):
            table = _table(each)
            if table is not None:
                found += [_row(row, f"[{number}].") for row in table.to_pylist()]
            else:
                found.append(_row(each if _is_row(each) else {_named(cls): each}, f"[{number}]."))
        return found
    if isinstance(returned, (list, tuple)) and not returned and mapping_of(returned) is None:
        return []
    return [_row(returned, "") if _is_row(returned) else {_named(cls): cell(returned)}]


def _is_row(value: Any) -> bool:
    return mapping_of(value) is not None or _kind(value) is not None


def _named(cls: type) -> str:
    """Name the column of a bare value: what the experiment is to make small or large, or just ``value``."""
    objective = getattr(cls, "objective", None)
    return objective if isinstance(objective, str) else "value"


def _row(returned: Any, where: str) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name, value in flat(_mapping(returned)):
        row[free_name(name, row)] = cell(value, where + name)
    return row


def _mapping(returned: Any) -> Any:
    # A series of pandas' is a row by its labels.
    given = getattr(returned, "to_dict", None) if _kind(returned) == "series" else None
    return given() if callable(given) else returned


def _kind(value: Any) -> str | None:
    """Tell tables by where their classes come from: nothing is imported to find out."""
    package = type(value).__module__.partition(".")[0]
    kinds = {
        "pandas": {"DataFrame": "pandas", "Series": "series"},
        "polars": {"DataFrame": "polars", "LazyFrame": "lazy"},
        "pyarrow": {"Table": "arrow", "RecordBatch": "arrow", "RecordBatchReader": "reader"},
    }
    return kinds.get(package, {}).get(type(value).__name__)


def _table(returned: Any) -> Any:
    """Give a table of another library as an arrow table; None for what is none."""
    kind = _kind(returned)
    if kind in (None, "series"):
        return None
    if kind == "lazy":
        returned, kind = returned.collect(), "polars"
    if kind == "pandas":
        return _from_pandas(returned)
    if kind == "polars":
        return plain_table(returned.to_arrow())
    pa = needed("pyarrow")
    table = returned.read_all() if kind == "reader" else returned
    return plain_table(pa.Table.from_batches([table]) if isinstance(table, pa.RecordBatch) else table)


def _from_pandas(frame: Any) -> Any:
    """Give a frame as an arrow table; an index that counts only is left out, and columns may have any names."""
    pa = needed("pyarrow")
    index = frame.index
    counts = type(index).__name__ == "RangeIndex" and index.name is None
    if not counts:
        names = [
            name if name is not None else f"index{number or ''}" for number, name in enumerate(index.names)
        ]
        frame = frame.reset_index(names=names, allow_duplicates=True)
    columns: dict[str, Any] = {}
    for number, label in enumerate(frame.columns):
        column = frame.iloc[:, number]
        name = ".".join(str(part) for part in label if part != "") if isinstance(label, tuple) else str(label)
        name = free_name(name, columns)
        try:
            columns[name] = pa.Array.from_pandas(column)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
            # Values of several types: each as in a row of its own.
            cells = table_of([{name: cell(value, f"[{at}].{name}")} for at, value in enumerate(column)])
            columns.update(zip(cells.column_names, cells.columns, strict=True))
    return plain_table(pa.table(columns))


def has_arrow() -> bool:
    """Say whether Parquet can be written here."""
    return find_spec("pyarrow") is not None
