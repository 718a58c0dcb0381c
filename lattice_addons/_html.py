"""What shows itself in a notebook is plain HTML, in which whatever a program keeps is text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Html", "brief", "code", "preformatted", "table"]

_LEFT = ' style="text-align:left"'
_WIDTH = 80


class Html(str):
    """A text that is HTML already."""

    __slots__ = ()


def code(text: str) -> Html:
    """Show a text as it stands in a program."""
    return Html(f"<code>{_told(text)}</code>" if text else "")


def preformatted(text: str) -> Html:
    """Show lines as a terminal does."""
    return Html(f"<pre>{_told(text)}</pre>")


def table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], *, above: str = "", below: Iterable[str] = ()
) -> Html:
    """Give a table, with a line above it and some below; what is not `Html` is text."""
    head = "".join(f"<th{_LEFT}>{_told(each)}</th>" for each in heads)
    body = "".join(f"<tr>{''.join(f'<td{_LEFT}>{_told(cell)}</td>' for cell in row)}</tr>" for row in rows)
    shown = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>" if body else ""
    lines = [f"<div>{_told(each)}</div>" for each in below]
    return Html("".join([f"<div>{_told(above)}</div>" if above else "", shown, *lines]))


def brief(value: object) -> str:
    """Give a value's repr in a line, cut to what a table has room for; a repr that raises is told, too."""
    import reprlib

    short = reprlib.Repr()
    short.maxstring = short.maxother = short.maxlong = _WIDTH
    try:
        text = short.repr(value)
    except Exception as error:  # noqa: BLE001 - a repr of the program's own, and only to be looked at
        text = f"<{type(value).__name__}, whose repr raises {type(error).__name__}>"
    line = " ".join(text.split())
    return line if len(line) <= _WIDTH else line[: _WIDTH - 1] + "…"


def _told(text: str) -> str:
    from html import escape  # a large module, for a program that is looked at

    return text if isinstance(text, Html) else escape(text)
