"""The reference pages' tables, written from the code they describe."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import re
from typing import TYPE_CHECKING

from lattice_addons import errors
from lattice_addons._environ import CONFIG
from lattice_addons.cli import build_parser
from lattice_addons.cli._commands import COMMANDS
from lattice_addons.cli._status import MEANINGS
from lattice_addons.settings import KEYS, VARIABLES, Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


def table(widths: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table whose first row is its head."""
    lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {widths}", ""]
    for row in (head, *rows):
        lines += [f"   {'* -' if column == 0 else '  -'} {cell}" for column, cell in enumerate(row)]
    return "\n".join([*lines, ""])


def variables() -> str:
    """Write the table of environment variables, with the attribute of Settings that each sets."""
    attribute = {
        name: f"``{field}``" if field else "one for each key" if name == CONFIG else "none"
        for name, (field, _) in VARIABLES.items()
    }
    rows = ((f"``{name}``", meaning, attribute[name]) for name, (_, meaning) in VARIABLES.items())
    return table("35 50 15", ("variable", "meaning", "attribute"), rows)


def keys() -> str:
    """Write the table of the keys of LATTICE_CHECKPOINT_CONFIG."""
    rows = (
        (f"``{field.metadata.get('key', field.name)}``", field.metadata["default"], field.metadata["meaning"])
        for field in dataclasses.fields(Settings)
        if field.name in KEYS or "key" in field.metadata
    )
    return table("28 27 45", ("key", "default", "meaning"), rows)


def error_classes() -> list[type[errors.LatticeError]]:
    """Give every error, each before those below it."""

    def below(error: type[errors.LatticeError]) -> Iterator[type[errors.LatticeError]]:
        yield error
        for child in error.__subclasses__():
            if child.__module__ == errors.__name__:
                yield from below(child)

    return list(below(errors.LatticeError))


def error_tree() -> str:
    """Write the tree of errors, as it is drawn in the module."""
    drawn = inspect.getdoc(errors) or ""
    return "::\n\n" + drawn.split("::\n", 1)[1].strip("\n") + "\n"


def error_table() -> str:
    """Write the table of errors: exit code, what else catches it, and what went wrong."""
    rows = []
    for error in error_classes():
        builtin = [
            f"``{base.__name__}``" for base in error.__bases__ if not issubclass(base, errors.LatticeError)
        ]
        first = (inspect.getdoc(error) or "").splitlines()[0]
        name = f":py:exc:`~lattice_addons.errors.{error.__name__}`"
        rows.append((name, str(error.exit_code), ", ".join(builtin) or "–", first))
    return table("25 10 25 40", ("error", "exit code", "is also a", "what went wrong"), rows)


def commands() -> str:
    """Write what each command of ``lattice`` does and takes, as its parser says it."""
    parser = build_parser()
    subparsers = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction))  # noqa: SLF001 - no public way
    parts = [_parser_text(parser, "lattice")]
    for name, each in subparsers.choices.items():
        parts += [_parser_text(each, f"lattice {name}"), *_below(each, f"lattice {name}"), _example(name)]
    return "\n".join(parts)


def exit_codes() -> str:
    """Write the table of the statuses with which a command ends, and of the errors that end it so."""
    rows = []
    for status, meaning in MEANINGS.items():
        names = [error.__name__ for error in error_classes() if error.exit_code == status]
        told = ", ".join(f":py:exc:`~lattice_addons.errors.{name}`" for name in names)
        rows.append((str(status), meaning, told or "–"))
    return table("10 50 40", ("status", "what it means", "errors"), rows)


def _below(parser: argparse.ArgumentParser, title: str) -> list[str]:
    """Write the commands that a command has of its own."""
    choices = [action.choices for action in parser._actions if isinstance(action.choices, dict)]  # noqa: SLF001
    return [_parser_text(each, f"{title} {name}") for some in choices for name, each in some.items()]


def _example(name: str) -> str:
    command = COMMANDS[name]
    # What is in backticks there is for people at a terminal, and no reference.
    shows = re.sub(r"`([^`]+)`", r"``\1``", command.shows)
    return f"Example: {shows}. ::\n\n   $ {command.example}\n"


def command_names() -> list[str]:
    """Give the names of the commands."""
    parser = build_parser()
    return [name for action in parser._actions if isinstance(action.choices, dict) for name in action.choices]  # noqa: SLF001


def _parser_text(parser: argparse.ArgumentParser, title: str) -> str:
    parser.formatter_class = lambda prog: argparse.HelpFormatter(prog, width=80)
    usage = parser.format_usage().removeprefix("usage: ").rstrip()
    lines = [f".. rubric:: ``{title}``", "", parser.description or "", "", "::", ""]
    lines += [f"   {line.strip() if number == 0 else line}" for number, line in enumerate(usage.splitlines())]
    lines += [""]
    formatter = argparse.HelpFormatter("lattice")
    for action in parser._actions:  # noqa: SLF001 - argparse has no public way to list them
        if isinstance(action, (argparse._SubParsersAction, argparse._HelpAction)):  # noqa: SLF001
            continue
        words = formatter._format_action_invocation(action)  # noqa: SLF001
        lines += [f"``{words}``", f"   {formatter._expand_help(action) if action.help else '…'}", ""]  # noqa: SLF001
    return "\n".join([*lines, ""])
