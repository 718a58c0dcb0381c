"""TOML becomes plain data and back; it has no null, and dates stay texts."""

from __future__ import annotations

import datetime as dt
import math
import re
import sys
from typing import Any

from ._read import NotThisFormat

__all__ = ["NoTomlError", "read_toml", "toml_text"]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_KEY = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')"""
_DOTTED = rf"{_KEY}(?:[ \t]*\.[ \t]*{_KEY})*"
_HEAD = re.compile(rf"[ \t]*(?P<open>\[\[?)[ \t]*(?P<name>{_DOTTED})[ \t]*\]")
_LINE = re.compile(rf"[ \t]*(?P<name>{_DOTTED})[ \t]*=")
# What may hold a line break, or a bracket that counts for nothing: comments, and the four kinds of strings.
_TOKEN = re.compile(
    r"""\#[^\n]*|\"\"\"(?:[^\\]|\\[\s\S])*?\"{3,5}|'''[\s\S]*?'{3,5}|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[\[\]{}]|\n"""
)
_AT = re.compile(r"(\d+), column (\d+)")
_ESCAPES = {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r", '"': '\\"', "\\": "\\\\"}


class NoTomlError(ValueError):
    """A value that TOML cannot say."""


def read_toml(text: str) -> tuple[Any, dict[tuple[Any, ...], int]]:
    """Read a text in TOML."""
    return _dates(_loads(text)), _lines(text)


def _loads(text: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        why = str(error)
        found = _AT.search(why)
        line, column = (int(found[1]), int(found[2])) if found else (text.count("\n") + 1, None)
        raise NotThisFormat(why.partition(" (at ")[0], line, column) from None


def toml_text(data: dict[str, Any]) -> str:
    """Write data as TOML: values first, then the tables.

    Raises:
        NoTomlError: there is a null.
    """
    lines: list[str] = []
    _table(data, (), lines)
    return "\n".join(lines).lstrip("\n") + "\n"


def _table(data: dict[str, Any], path: tuple[str, ...], lines: list[str]) -> None:
    tables = {key: value for key, value in data.items() if _is_table(value) or _is_tables(value)}
    lines += [
        f"{_key(key)} = {_value(value, (*path, key))}" for key, value in data.items() if key not in tables
    ]
    for key, value in tables.items():
        name = ".".join(map(_key, (*path, key)))
        for each in [value] if isinstance(value, dict) else value:
            lines += ["", f"[{name}]" if isinstance(value, dict) else f"[[{name}]]"]
            _table(each, (*path, key), lines)


def _is_table(value: Any) -> bool:
    return isinstance(value, dict)


def _is_tables(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and bool(value) and all(map(_is_table, value))


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _quoted(key)


def _value(value: Any, path: tuple[str, ...]) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else str(value)
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_value(each, path) for each in value) + "]"
    if isinstance(value, dict):
        inside = ", ".join(f"{_key(key)} = {_value(each, (*path, key))}" for key, each in value.items())
        return "{ " + inside + " }" if inside else "{}"
    what = "null" if value is None else type(value).__name__
    raise NoTomlError(f"{'.'.join(path)} is {what}, which TOML cannot say; write YAML, JSON or RON")


def _quoted(text: str) -> str:
    return '"' + "".join(_ESCAPES.get(char) or _seen(char) for char in text) + '"'


def _seen(char: str) -> str:
    code = ord(char)
    return char if char.isprintable() else f"\\U{code:08x}"


def _dates(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _dates(each) for key, each in data.items()}
    if isinstance(data, list):
        return [_dates(each) for each in data]
    return data.isoformat() if isinstance(data, (dt.date, dt.time)) else data


def _lines(text: str) -> dict[tuple[Any, ...], int]:
    """Find the lines on which tables and names stand; the standard library's reader tells none."""
    found: dict[tuple[Any, ...], int] = {(): 1}
    table: tuple[Any, ...] = ()
    counts: dict[tuple[Any, ...], int] = {}
    for number, line in _statements(text):
        head = _HEAD.match(line)
        if head is not None:
            table = ()
            for part in _parts(head["name"]):
                table = (*table, part)
                table = (*table, counts[table] - 1) if table in counts else table
            if head["open"] == "[[":
                # The last part may be a list already: its number is of the element before.
                table = table[:-1] if isinstance(table[-1], int) else table
                counts[table] = counts.get(table, 0) + 1
                found.setdefault(table, number)
                table = (*table, counts[table] - 1)
            found.setdefault(table, number)
        elif (named := _LINE.match(line)) is not None:
            path = table
            for part in _parts(named["name"]):
                path = (*path, part)
                found.setdefault(path, number)
    return found


def _statements(text: str) -> list[tuple[int, str]]:
    """Give the first line of each statement with its number: an array or a text may go over several."""
    found, line, start, depth = [], 1, 0, 0
    for token in _TOKEN.finditer(text + "\n"):
        said = token[0]
        if said == "\n" and depth <= 0:
            found.append((line, text[start : token.start()].partition("\n")[0]))
            line += text.count("\n", start, token.end())
            start, depth = token.end(), 0
        elif said in "[{":
            depth += 1
        elif said in "]}":
            depth -= 1
    return found


def _parts(name: str) -> list[str]:
    parts = []
    for each in re.findall(_KEY, name):
        if each[0] == "'":
            parts.append(each[1:-1])
        else:
            parts.append(next(iter(_loads(f"{each} = 0"))) if each[0] == '"' else each)
    return parts
