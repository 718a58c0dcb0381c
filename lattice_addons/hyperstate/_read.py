"""A config file, read by its ending: plain data, and the line of each value."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from lattice_addons.errors import ConfigError, NoConfigError, RonError

__all__ = ["ENDINGS", "Document", "format_of", "parse_text", "read_file", "read_text"]

ENDINGS = {".yaml": "yaml", ".yml": "yaml", ".ron": "ron", ".json": "json", ".toml": "toml"}


@dataclass
class Document:
    """What a file says: ``data`` of dicts, lists, scalars and `Tagged`, and the line of each by its path."""

    data: Any
    lines: dict[tuple[Any, ...], int] = field(default_factory=dict)
    format: str = "yaml"


class NotThisFormat(ValueError):  # noqa: N818 - never leaves this stage: it becomes an error that says where
    """A text is not what its ending says; ``line`` and ``column`` are where."""

    def __init__(self, why: str, line: int = 1, column: int | None = None) -> None:
        super().__init__(why)
        self.line, self.column = line, column


def read_text(path: str | os.PathLike[str]) -> Document:
    """Read a config file.

    Raises:
        NoConfigError: there is no such file, or it cannot be read.
        ConfigError: its ending names no format, or its text is not of this format.
        RonError: the text is not RON.
    """
    path = os.fspath(path)
    return parse_text(read_file(path), format_of(path), path)


def format_of(path: str) -> str:
    """Give the format that a file's ending names."""
    found = ENDINGS.get(os.path.splitext(path)[1].lower())
    if found is None:
        message = f"{path!r}: a config file ends with {', '.join(ENDINGS)}"
        raise ConfigError(message, file=path, faults=())
    return found


def read_file(path: str) -> str:
    """Give a file's text."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            return file.read()
    except UnicodeDecodeError as error:
        message = f"{path}:1: this is not UTF-8 ({error.reason}); save it as UTF-8"
        raise ConfigError(message, file=path, faults=()) from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        message = f"the config file {path!r} cannot be read ({why})"
        raise NoConfigError(message, path=path) from None


def parse_text(text: str, form: str, path: str = "") -> Document:
    """Read a text that is of this format; ``path`` is named in errors."""
    try:
        if form == "ron":
            from ._ron import ron_read

            data, lines = ron_read(text) if text.strip() else ({}, {})
            return Document(data, lines, form)
        if form == "json":
            from ._json import read_json as read
        elif form == "toml":
            from ._toml import read_toml as read
        else:
            from ._yaml import read_yaml as read
        data, lines = read(text)
        return Document(data, lines, form)
    except RonError as error:
        message = f"{path}:{error.line}: {error}" if path else str(error)
        raise RonError(message, line=error.line, column=error.column) from None
    except NotThisFormat as error:
        column = f":{error.column}" if error.column is not None else ""
        at = f"{path}:{error.line}{column}: " if path else f"line {error.line}: "
        message = f"{at}this is not {form.upper()}: {error}"
        raise ConfigError(message, file=path, faults=()) from None
