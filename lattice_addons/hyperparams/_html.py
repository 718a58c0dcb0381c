"""A manager shows itself in a notebook as a table."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from ._rows import rows

if TYPE_CHECKING:
    from ._manager import HyperParameters
    from ._rows import Row

__all__ = ["html"]

_HEAD = "".join(f"<th>{column}</th>" for column in ("name", "type", "value", "default", "hints", "declared"))


def html(manager: HyperParameters) -> str:
    """Give the table as HTML; whatever stands in source is text there."""
    body = "".join(map(_row, rows(manager)))
    return f"<table><thead><tr>{_HEAD}</tr></thead><tbody>{body}</tbody></table>"


def _row(row: Row) -> str:
    value = f"<code>{escape(row.value)}</code>"
    places = "<br>".join(escape(each.place) for each in row.occurrences)
    cells = (
        f"<b>{escape(row.name)}</b>",
        escape(row.kind),
        f"<b>{value}</b>" if row.is_set else value,
        f"<code>{escape(row.default)}</code>",
        escape(row.hints),
        places,
    )
    return "<tr>" + "".join(f'<td style="text-align:left">{cell}</td>' for cell in cells) + "</tr>"
