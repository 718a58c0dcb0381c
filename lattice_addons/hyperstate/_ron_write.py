"""Plain data becomes RON that reads back as the same data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lattice_addons.errors import RonError

from ._ron_data import EXTENSIONS, Char, Map, Tagged

__all__ = ["ron_dumps"]

_WIDTH = 88
_INDENT = "    "
_DEPTH = 128
_RAW_NAME = re.compile(r"[\w.+\-]+")
_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0"})
_CONTROL = re.compile("[\x01-\x1f\x7f-\x9f\u2028\u2029\ufeff]")
_LONE = re.compile("[\ud800-\udfff]")
# Larger ones are not read back in decimal by every Python.
_DECIMAL_BITS = 128


def ron_dumps(data: object, *, extensions: tuple[str, ...] = ()) -> str:
    """Write plain data in RON, laid out for people; the text ends with a newline.

    A dict whose keys can name fields is written as a struct (``(lr: 0.1)``), any other as a map. ``None`` is
    written as ``None`` and any other value as itself, which Rust reads into options with
    ``extensions=("implicit_some",)``.

    Raises: `RonError` for what RON cannot say.
    """
    unknown = {*extensions} - EXTENSIONS
    if unknown:
        known = ", ".join(sorted(EXTENSIONS))
        raise _refusal(f"no extension is called {min(unknown)}; there are {known}")
    head = f"#![enable({', '.join(extensions)})]\n" if extensions else ""
    return f"{head}{_written(data, 0)}\n"


def _refusal(message: str) -> RonError:
    return RonError(message, line=0, column=0)


def _written(data: object, depth: int) -> str:  # noqa: PLR0911 - one for each kind of value
    if depth > _DEPTH:
        raise _refusal(f"more than {_DEPTH} levels, one in the other, cannot be written as RON")
    if data is None or isinstance(data, bool):
        return {None: "None", True: "true", False: "false"}[data]
    if isinstance(data, int):
        return str(int(data)) if data.bit_length() <= _DECIMAL_BITS else _hexadecimal(int(data))
    if isinstance(data, float):
        return "NaN" if data != data else float.__repr__(data)  # noqa: PLR0124 - what a NaN is
    if isinstance(data, str):
        return f"'{_escaped(data, chr(39))}'" if isinstance(data, Char) else f'"{_escaped(data, chr(34))}"'
    if isinstance(data, (bytes, bytearray)):
        return _bytes(bytes(data))
    if isinstance(data, Tagged):
        return _tagged(data, depth)
    if isinstance(data, Mapping):
        return _mapping(data, depth)
    if isinstance(data, (list, tuple)):
        open_, close = "()" if isinstance(data, tuple) else "[]"
        return _laid_out(open_, [_written(item, depth + 1) for item in data], close, depth)
    raise _refusal(f"a {type(data).__name__} cannot be written as RON: {data!r:.80}")


def _hexadecimal(number: int) -> str:
    return f"{'-' if number < 0 else ''}0x{abs(number):x}"


def _escaped(text: str, quote: str) -> str:
    if _LONE.search(text):
        raise _refusal(f"a text with half a character cannot be written as RON: {text!r:.80}")
    text = text.translate(_ESCAPES).replace(quote, "\\" + quote)
    return _CONTROL.sub(lambda found: f"\\u{{{ord(found.group()):x}}}", text)


def _bytes(data: bytes) -> str:
    written = "".join(
        chr(byte) if 0x20 <= byte < 0x7F and byte not in b'"\\' else f"\\x{byte:02x}"  # noqa: PLR2004 - ASCII
        for byte in data
    )
    return f'b"{written}"'


def _name(name: str) -> str:
    if name.isidentifier() and name.isprintable():
        return name
    if not _RAW_NAME.fullmatch(name):
        raise _refusal(f"{name!r} cannot be a name in RON")
    return f"r#{name}"


def _tagged(data: Tagged, depth: int) -> str:
    name = _name(data.name)
    if name in ("true", "false", "None", "inf", "NaN") or (name == "Some" and len(data.fields) != 1):
        name = f"r#{name}"
    if isinstance(data.fields, dict):
        return _struct(name, data.fields, depth)
    if not data.fields:
        return name
    return _laid_out(f"{name}(", [_written(item, depth + 1) for item in data.fields], ")", depth)


def _struct(name: str, fields: Mapping[str, Any], depth: int) -> str:
    parts = [f"{_name(key)}: {_written(value, depth + 1)}" for key, value in fields.items()]
    return _laid_out(f"{name}(", parts, ")", depth)


def _mapping(data: Mapping[Any, Any], depth: int) -> str:
    can_be_fields = all(isinstance(key, str) and key.isidentifier() for key in data)
    if data and can_be_fields and not isinstance(data, Map):
        return _struct("", data, depth)
    parts = [f"{_written(key, depth + 1)}: {_written(value, depth + 1)}" for key, value in data.items()]
    return _laid_out("{", parts, "}", depth)


def _laid_out(start: str, parts: list[str], end: str, depth: int) -> str:
    """Put parts into one line where they fit; the outermost fields each have a line of their own."""
    line = f"{start}{', '.join(parts)}{end}"
    outermost = depth == 0 and parts and ": " in parts[0]
    fits = len(line) + depth * len(_INDENT) <= _WIDTH and not any("\n" in part for part in parts)
    if fits and not outermost:
        return f"{start}{parts[0]},{end}" if start == "(" and len(parts) == 1 and ": " not in line else line
    inner, outer = _INDENT * (depth + 1), _INDENT * depth
    return f"{start}\n" + "".join(f"{inner}{part},\n" for part in parts) + f"{outer}{end}"
