"""A manager shows itself in a notebook as a table."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from lattice_addons._html import Html, code, table

from ._rows import rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._manager import HyperParameters
    from ._rows import Row

__all__ = ["html"]

_HEADS = ("name", "type", "value", "default", "hints", "declared")


def html(manager: HyperParameters) -> str:
    """Give the table as HTML; whatever stands in source is text there."""
    return table(_HEADS, (tuple(_cells(row)) for row in rows(manager)))


def _cells(row: Row) -> Iterator[str]:
    value = code(row.value)
    yield Html(f"<b>{escape(row.name)}</b>")
    yield row.kind
    yield Html(f"<b>{value}</b>") if row.is_set else value
    yield code(row.default)
    yield row.hints
    yield Html("<br>".join(escape(each.place) for each in row.occurrences))
