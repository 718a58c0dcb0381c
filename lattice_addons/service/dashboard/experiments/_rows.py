"""The results of an experiment as a table: sorted by the server, a page at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lattice_addons.experiments import fields_and_metrics
from lattice_addons.service.dashboard._pages import link, number_in

if TYPE_CHECKING:
    from starlette.requests import Request

__all__ = ["Rows", "rows_of"]

_ROWS, _COLUMNS, _LONG = 50, 60, 200
_HIDDEN = ("identity", "started", "ended", "host", "attempt", "log", "error")
_FIRST = ("name", "status")


@dataclass(frozen=True, slots=True)
class Rows:
    """One page of the table."""

    columns: list[str]
    numeric: set[str]
    rows: list[list[str]]
    count: int
    page: int
    pages: int
    sort: str
    down: bool
    every: bool
    _path: str
    _query: dict[str, str]

    def address(self, **other: object) -> str:
        """Give the address of this table, but for what is said to be other."""
        return link(self._path, **{**self._query, **other}) + "#results"

    def page_address(self, page: int) -> str:
        """Give the address of another page."""
        return self.address(page=page if page > 1 else None)

    def sort_address(self, column: str) -> str:
        """Give the address of the table sorted by a column; the other way round where it is by that already."""
        down = self.sort == column and not self.down
        return self.address(sort=column, order="down" if down else None, page=None)


def rows_of(table: Any, request: Request) -> Rows:  # noqa: ANN401 - pyarrow's
    """Give the page of the table that an address means."""
    import pyarrow as pa

    query = request.query_params
    every = query.get("all") == "1"
    columns = _columns(table, every=every)
    sort, down = query.get("sort", ""), query.get("order") == "down"
    if sort in table.column_names:
        table = table.take(_order(table.column(sort), down=down))
    pages = max(-(-table.num_rows // _ROWS), 1)
    page = min(max(number_in(request, "page", 1) or 1, 1), pages)
    some = table.slice((page - 1) * _ROWS, _ROWS)
    values = [some.column(name).to_pylist() for name in columns]
    numeric = {
        name
        for name in columns
        if pa.types.is_integer(kind := table.schema.field(name).type) or pa.types.is_floating(kind)
    }
    return Rows(
        columns,
        numeric,
        [[_cell(value) for value in row] for row in zip(*values, strict=True)],
        table.num_rows,
        page,
        pages,
        sort if sort in table.column_names else "",
        down,
        every,
        request.url.path,
        dict(query),
    )


def _columns(table: Any, *, every: bool) -> list[str]:  # noqa: ANN401
    """Give what is shown: fields that are the same throughout say nothing, unless all columns are asked for."""
    names = table.column_names
    if not every:
        fields, _ = fields_and_metrics(table)
        same = {
            name for name in fields if len({repr(value) for value in table.column(name).to_pylist()}) <= 1
        }
        names = [name for name in names if name not in _HIDDEN and name not in same]
    first = [name for name in _FIRST if name in names]
    return [*first, *(name for name in names if name not in first)][:_COLUMNS]


def _order(column: Any, *, down: bool) -> Any:  # noqa: ANN401
    """Give the rows in order, those without a value last."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        return pc.array_sort_indices(
            column.combine_chunks(), order="descending" if down else "ascending", null_placement="at_end"
        )
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid, pa.ArrowTypeError):
        # Lists and mappings have no order but that of their texts.
        values = column.to_pylist()
        return pa.array(sorted(range(len(values)), key=lambda at: repr(values[at]), reverse=down), pa.int64())


def _cell(value: Any) -> str:  # noqa: ANN401
    if value is None or value != value:  # noqa: PLR0124 - nan
        return "–"
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _LONG else text[: _LONG - 1] + "…"
