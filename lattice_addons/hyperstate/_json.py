"""JSON becomes plain data, and every value knows its line."""

from __future__ import annotations

import json
import re
from json.decoder import JSONDecoder
from typing import Any

from ._read import NotThisFormat

__all__ = ["read_json"]

_SPACE = re.compile(r"[ \t\n\r]*")


def read_json(text: str) -> tuple[Any, dict[tuple[Any, ...], int]]:
    """Read a text in JSON; ``NaN`` and ``Infinity`` are numbers, as everywhere in Python."""
    if not text.strip():
        return None, {}
    try:
        json.loads(text)
        reader = _Reader(text)
        return reader.value(0, ())[0], reader.lines
    except json.JSONDecodeError as error:
        raise NotThisFormat(error.msg, error.lineno, error.colno) from None
    except NotThisFormat:
        raise
    except (ValueError, RecursionError) as error:
        raise NotThisFormat(str(error)) from None


class _Reader:
    """Goes through a text that is known to be JSON once more: the standard library's reader tells no places."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines: dict[tuple[Any, ...], int] = {}
        self._decoder = JSONDecoder()
        self._line, self._counted = 1, 0

    def value(self, at: int, path: tuple[Any, ...]) -> tuple[Any, int]:
        """Give the value that stands here, and where it ends."""
        at = self._skip(at)
        self.lines.setdefault(path, self._line_of(at))
        if self.text[at] == "{":
            return self._object(at + 1, path)
        if self.text[at] == "[":
            return self._array(at + 1, path)
        return self._decoder.raw_decode(self.text, at)

    def _array(self, at: int, path: tuple[Any, ...]) -> tuple[list[Any], int]:
        found: list[Any] = []
        at = self._skip(at)
        while self.text[at] != "]":
            value, at = self.value(at, (*path, len(found)))
            found.append(value)
            at = self._next(at)
        return found, at + 1

    def _object(self, at: int, path: tuple[Any, ...]) -> tuple[dict[str, Any], int]:
        found: dict[str, Any] = {}
        at = self._skip(at)
        while self.text[at] != "}":
            line = self._line_of(at)
            name, at = self._decoder.raw_decode(self.text, at)
            if name in found:
                first = self.lines[(*path, name)]
                raise NotThisFormat(f"{name!r} stands here twice (line {first}, too)", line)
            self.lines[(*path, name)] = line
            found[name], at = self.value(self._skip(at) + 1, (*path, name))
            at = self._next(at)
        return found, at + 1

    def _next(self, at: int) -> int:
        at = self._skip(at)
        return self._skip(at + 1) if self.text[at] == "," else at

    def _skip(self, at: int) -> int:
        match = _SPACE.match(self.text, at)
        return match.end() if match else at

    def _line_of(self, at: int) -> int:
        # Places come in order; counting from the start each time would be quadratic.
        self._line += self.text.count("\n", self._counted, at)
        self._counted = max(at, self._counted)
        return self._line
