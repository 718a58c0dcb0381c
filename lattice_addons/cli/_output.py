"""Answers: a table for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from lattice_addons._amounts import counted, duration, size, took

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

__all__ = ["add_json_argument", "counted", "duration", "print_json", "print_table", "size", "took"]


def add_json_argument(parser: argparse.ArgumentParser) -> None:
    """Let a command be told to answer in JSON."""
    parser.add_argument("--json", action="store_true", help="answer in JSON, for programs")


def print_json(answer: object) -> None:
    """Write an answer as JSON."""
    json.dump(answer, sys.stdout, indent=2, ensure_ascii=False, default=str)
    sys.stdout.write("\n")


def plain(text: str) -> str:
    r"""Give a text with all that a terminal would obey written out: another may have put it into the store.

    >>> print(plain("a\x1b[31mb"))
    a\x1b[31mb
    """
    if text.isprintable():
        return text
    return "".join(
        mark if mark.isprintable() or mark == "\n" else mark.encode("unicode_escape").decode()
        for mark in text
    )


def print_table(
    title: str, rows: Sequence[Mapping[str, object]], right: Sequence[str] = (), empty: str = ": nothing"
) -> None:
    """Write rows that have the same keys as a table; the columns named in ``right`` are numbers.

    What is not known is None: `null` for programs, a dash for people.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(plain(title)), title_justify="left", title_style="bold")
    for column in rows[0] if rows else ():
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        # As text: a slot named "[red]" is no markup.
        table.add_row(*(Text("–" if cell is None else plain(str(cell))) for cell in row.values()))
    Console().print(table if rows else Text(plain(title) + empty))
