"""Rows become one table; a value that does not fit its column stands beside it, as text."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from ._cells import free_name, opened
from ._needs import needed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

__all__ = ["ODD", "combined", "plain_table", "table_of"]

#: Behind the name of a column: what did not fit it, as JSON.
ODD = ".odd"


def table_of(rows: Sequence[Mapping[str, Any]]) -> Any:
    """Give rows of cells as an arrow table; a cell that a row does not have is null."""
    pa = needed("pyarrow")
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns: dict[str, Any] = {}
    for name in names:
        values, odd = _column(pa, [opened(row.get(name)) for row in rows])
        columns[name] = values
        if odd is not None:
            columns[free_name(name + ODD, names)] = odd
    return pa.table(columns) if columns else pa.table({}).select([])


def combined(tables: Sequence[Any]) -> Any:
    """Put tables of different columns and types below each other; of each column the type that most values have."""
    pa = needed("pyarrow")
    if len(tables) == 1:
        return tables[0]
    names = list(dict.fromkeys(name for table in tables for name in table.column_names))
    types = {name: _common(pa, name, tables) for name in names}
    parts = []
    for table in tables:
        columns: dict[str, Any] = {}
        beside: dict[str, Any] = {}
        for name, kind in types.items():
            given = table.column(name) if name in table.column_names else pa.nulls(table.num_rows, kind)
            columns[name], odd = _as_type(pa, given, kind)
            if odd is not None:
                beside[name + ODD] = odd
        for name, odd in beside.items():
            columns[name] = _filled(pa, odd, columns.get(name))
        for name in names:
            if name + ODD in table.column_names:
                pair = columns[name], columns[name + ODD]
                columns[name], columns[name + ODD] = _taken_back(pa, *pair)
        parts.append(columns)
    found = dict.fromkeys([*names, *(name for part in parts for name in part)])
    empty = {name + ODD for name in names if all(_is_empty(part.get(name + ODD)) for part in parts)}
    every = [name for name in found if name not in empty]
    full = [
        {name: part.get(name, _absent(pa, part, types.get(name, pa.string()))) for name in every}
        for part in parts
    ]
    return pa.concat_tables([pa.table(part) for part in full], promote_options="default")


def plain_table(table: Any) -> Any:
    """Give an arrow table whose columns have no parts and no code books, with names that differ."""
    pa = needed("pyarrow")
    while any(pa.types.is_struct(field.type) for field in table.schema):
        table = table.flatten()
    columns: dict[str, Any] = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        kind = column.type
        if pa.types.is_dictionary(kind):
            column = column.cast(kind.value_type)  # noqa: PLW2901 - as the rest sees it
        columns[free_name(name, columns)] = _readable(pa, column)
    return pa.table(columns)


def _readable(pa: Any, column: Any) -> Any:
    """Give a column of a type that is put together with others'; of parts within lists it is text."""
    kind = column.type
    if _texts(pa, kind):
        return column.cast(pa.string()) if column.nbytes < 2**31 - 1 else column
    if pa.types.is_nested(kind) and not _joined(pa, kind, kind):
        texts = [None if each is None else _as_json(each) for each in column.to_pylist()]
        return pa.chunked_array([pa.array(texts, pa.string())])
    return column


def _column(pa: Any, values: list[Any]) -> tuple[Any, Any]:
    """Give a column of the type that most values have, and what does not fit it as a column of texts."""
    kinds = {kind for value in values for kind in _kinds(value, 0)}
    # Arrow by itself would also make bytes of texts, and days of hours.
    if len(kinds) <= 1 or {kind for kind, _ in kinds} == {int, float}:
        try:
            return pa.array(values), None
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
            pass
    types = [_type_of(pa, value) for value in values]
    kind = _most(pa, Counter(each for each in types if each is not None))
    main: list[Any] = [None] * len(values)
    odd: list[Any] = [None] * len(values)
    for number, (value, own) in enumerate(zip(values, types, strict=True)):
        if value is None:
            continue
        if own is not None and _fits(pa, value, kind):
            main[number] = value
        else:
            odd[number] = _as_json(value)
    return pa.array(main, kind), pa.array(odd, pa.string())


def _kinds(value: Any, depth: int) -> Iterator[tuple[type, int]]:
    """Give the types that a value consists of, and how deep in lists."""
    if isinstance(value, list):
        for each in value:
            yield from _kinds(each, depth + 1)
    elif value is not None:
        yield type(value), depth


def _type_of(pa: Any, value: Any) -> Any:
    if value is None:
        return None
    try:
        return pa.array([value]).type
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):  # an integer of more than 64 bits
        return None


def _fits(pa: Any, value: Any, kind: Any) -> bool:
    if isinstance(value, bool) != bool(pa.types.is_boolean(kind)):
        return False  # arrow would take a truth for a number
    try:
        return bool(pa.array([value], kind).to_pylist() == [value]) or value != value  # noqa: PLR0124 - nan
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return False


def _common(pa: Any, name: str, tables: Sequence[Any]) -> Any:
    counts: Counter[Any] = Counter()
    for table in tables:
        if name in table.column_names:
            column = table.column(name)
            counts[column.type] += len(column) - column.null_count
        if name + ODD in table.column_names:
            texts = table.column(name + ODD).drop_null().to_pylist()
            counts.update(kind for text in texts if (kind := _type_of(pa, _from_json(text))) is not None)
    return _most(pa, counts)


def _most(pa: Any, counts: Counter[Any]) -> Any:
    """Give the type of most values, wide enough for the numbers of others; of nothing, null."""
    groups: list[tuple[Any, int]] = []
    for kind, count in counts.items():
        if pa.types.is_null(kind) or not count:
            continue
        for at, (other, so_far) in enumerate(groups):
            wider = _joined(pa, kind, other)
            if wider is not None:
                groups[at] = (wider, so_far + count)
                break
        else:
            groups.append((kind, count))
    # Of as many values each, the type that came first.
    return max(groups, key=lambda group: group[1])[0] if groups else pa.null()


def _joined(pa: Any, one: Any, other: Any) -> Any:  # noqa: PLR0911 - one line a family of types
    """Give a type that holds the values of both; None where there is none."""
    kinds = pa.types
    if kinds.is_list(one) and kinds.is_list(other):
        inner = _joined(pa, one.value_type, other.value_type)
        return None if inner is None else pa.list_(inner)
    if kinds.is_nested(one) or kinds.is_nested(other):
        return None
    if one == other or kinds.is_null(other):
        return one
    if kinds.is_null(one):
        return other
    if kinds.is_integer(one) and kinds.is_integer(other):
        return pa.int64()
    if all(kinds.is_integer(each) or kinds.is_floating(each) for each in (one, other)):
        return pa.float64()
    if _texts(pa, one) and _texts(pa, other):
        return pa.large_string()
    if kinds.is_timestamp(one) and kinds.is_timestamp(other) and one.tz == other.tz:
        return pa.timestamp("us", one.tz)
    if kinds.is_duration(one) and kinds.is_duration(other):
        return pa.duration("us")
    return None


def _texts(pa: Any, kind: Any) -> bool:
    view = getattr(pa.types, "is_string_view", None)
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or (view is not None and view(kind))
    )


def _as_type(pa: Any, column: Any, kind: Any) -> tuple[Any, Any]:
    """Give a column in another type, and what does not fit it as texts."""
    if column.type == kind:
        return column, None
    if pa.types.is_null(column.type):
        return pa.nulls(len(column), kind), None
    if _joined(pa, column.type, kind) == kind:
        try:
            return column.cast(kind), None
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):  # an integer that no float is
            pass
    values = column.to_pylist()
    fits = [value is None or _fits(pa, value, kind) for value in values]
    main = [value if fit else None for value, fit in zip(values, fits, strict=True)]
    odd = [None if fit else _as_json(value) for value, fit in zip(values, fits, strict=True)]
    return pa.array(main, kind), pa.array(odd, pa.string())


def _filled(pa: Any, odd: Any, before: Any) -> Any:
    if before is None:
        return odd
    both = zip(odd.to_pylist(), before.to_pylist(), strict=True)
    return pa.array([one if one is not None else other for one, other in both], pa.string())


def _taken_back(pa: Any, main: Any, odd: Any) -> tuple[Any, Any]:
    """Put what did not fit a column where it was written into it, where it fits the type that it has now."""
    values, texts = main.to_pylist(), odd.to_pylist()
    for at, text in enumerate(texts):
        value = _from_json(text)
        if value is not None and values[at] is None and _fits(pa, value, main.type):
            values[at], texts[at] = value, None
    return pa.array(values, main.type), pa.array(texts, pa.string())


def _is_empty(column: Any) -> bool:
    return column is None or column.null_count == len(column)


def _absent(pa: Any, part: Mapping[str, Any], kind: Any) -> Any:
    return pa.nulls(len(next(iter(part.values()))), kind)


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _from_json(text: Any) -> Any:
    """Give the numbers, truths and lists of them that `_as_json` tells; of texts it is not known what they were."""
    try:
        value = json.loads(text)
    except (TypeError, ValueError):  # a column of somebody else's that has such a name
        return None
    return None if any(kind in (str, dict) for kind, _ in _kinds(value, 0)) else value


def only(table: Any, keep: Iterable[bool]) -> Any:
    """Give the rows of a table that are to be kept."""
    pa = needed("pyarrow")
    return table.filter(pa.array(list(keep), pa.bool_()))
