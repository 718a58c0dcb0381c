"""A place in a config is a tuple of names and numbers, and is written ``optimizer.betas[1]``."""

from __future__ import annotations

import difflib
import json
import re
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Place", "dotted", "nearest", "parts", "shown"]

Place: TypeAlias = "tuple[str | int, ...]"
_LONGEST = 60
_PART = re.compile(
    r"""\.?(?P<name>[^\s.\[\]=+"']+) | \[(?P<number>-?\d+)\] | \.?\[?(?P<text>"(?:[^"\\]|\\.)*"|'[^']*')\]?
      | \[(?P<key>[^\]]*)\]""",
    re.VERBOSE,
)


def dotted(place: Iterable[Any]) -> str:
    """Write a place as people do."""
    text = ""
    for part in place:
        if isinstance(part, int) and not isinstance(part, bool):
            text += f"[{part}]"
        elif isinstance(part, str) and re.fullmatch(r"[^\s.\[\]=+\"']+", part):
            text += f".{part}" if text else part
        else:
            text += f"[{json.dumps(part, ensure_ascii=False, default=str)}]"
    return text


def parts(text: str) -> tuple[str | int, ...] | None:
    """Read a place as it is written; None when it is no place."""
    try:
        return _parts(text)
    except ValueError:
        # An escape that there is not, or a number of more digits than Python reads.
        return None


def _parts(text: str) -> tuple[str | int, ...] | None:
    found: list[str | int] = []
    at = 0
    while at < len(text):
        match = _PART.match(text, at)
        # A name in the middle has its dot, the first has none.
        if match is None or (match["name"] and (text[at] == ".") != bool(at)):
            return None
        if match["number"]:
            found.append(int(match["number"]))
        elif match["text"]:
            quoted = match["text"]
            found.append(json.loads(quoted) if quoted[0] == '"' else quoted[1:-1])
        else:
            found.append(match["name"] or match["key"])
        at = match.end()
    return tuple(found) or None


def nearest(name: object, names: Iterable[str]) -> str:
    """Give the hint with the name that was probably meant, or an empty text."""
    close = difflib.get_close_matches(str(name), list(names), n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else ""


def shown(value: Any) -> str:
    """Show a value that was found, cut short."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = repr(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
