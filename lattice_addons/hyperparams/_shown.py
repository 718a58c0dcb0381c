"""The list of all hyper-parameters for people: a table fitted to the terminal, with the lines around each place."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, TextIO

from lattice_addons.errors import HyperParameterError

from ._rows import rows

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from ._manager import HyperParameters
    from ._occurrence import Occurrence
    from ._rows import Row

__all__ = ["FORMS", "console_print", "describe", "print_list"]

FORMS = ("table", "detail", "yaml", "json")
_NARROW = 24


def describe(manager: HyperParameters, form: str, *, width: int | None = None) -> str:
    """Give the list as text."""
    written = io.StringIO()
    print_list(manager, form, written, width=width)
    return written.getvalue()


def print_list(
    manager: HyperParameters, form: str = "detail", file: TextIO | None = None, *, width: int | None = None
) -> None:
    """Write the list; with colours where the file is a terminal."""
    if form not in FORMS:
        raise HyperParameterError(f"a list is one of {', '.join(FORMS)}, and not {form!r}", name="")
    file = sys.stdout if file is None else file
    if form in ("yaml", "json"):
        from ._save import text

        file.write(text(manager, form))
        return
    from rich.console import Console

    console_print(Console(file=file, width=width, highlight=False), manager, form)


def console_print(console: Console, manager: HyperParameters, form: str = "detail") -> None:
    """Write the list to a console of rich's."""
    from rich.text import Text

    if form == "detail":
        console.print(Text(f"All hyperparameters:\n    {sorted(manager.names())}\nDetails:"))
    console.print(_table(manager, detailed=form == "detail"))


def _table(manager: HyperParameters, *, detailed: bool) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.ASCII_DOUBLE_HEAD, show_lines=detailed)
    found = list(rows(manager))
    for column, texts in (
        ("name", [row.name for row in found]),
        ("type", [row.kind for row in found]),
        ("value", [row.value for row in found]),
    ):
        least = min(_NARROW, max([len(column), *map(len, texts)]))
        table.add_column(
            column, justify="right" if column == "value" else "left", overflow="fold", min_width=least
        )
    table.add_column("details" if detailed else "declared", overflow="fold")
    for row in found:
        name = Text(row.name, style="bold")
        value = Text(row.value, style="bold green" if row.is_set else "")
        details = _details(row) if detailed else _brief(row)
        table.add_row(name, Text(row.kind, style="cyan"), value, details)
    return table


def _brief(row: Row) -> Text:
    from rich.text import Text

    place = next((each.place for each in row.occurrences if each.default is not None), "")
    default = f"default {row.default}" if row.is_set else ""
    return Text("; ".join(part for part in (place, default, row.hints) if part))


def _details(row: Row) -> Text:
    """Give the hints, and each occurrence with its lines, that one marked; what is too long is cut."""
    from rich.text import Text

    told = Text(no_wrap=True, overflow="ellipsis")
    if row.hints:
        told.append(f"{row.hints}\n", style="italic")
    if row.is_set:
        told.append(f"default: {row.default}\n")
    for number, each in enumerate(row.occurrences):
        told.append(f"occurrence[{number}]:\n", style="dim")
        told.append(f"  {each.place}\n", style="magenta")
        _append_lines(told, each)
    told.rstrip()
    return told


def _append_lines(told: Text, occurrence: Occurrence) -> None:
    width = max([2, *(len(str(number)) for number, _ in occurrence.context)])
    for number, line in occurrence.context:
        here = number == occurrence.line
        told.append("==> " if here else "    ", style="bold red" if here else "")
        told.append(f"{number:>{width}}: ", style="dim")
        told.append(f"{line.expandtabs(4)}\n", style="bold" if here else "")
