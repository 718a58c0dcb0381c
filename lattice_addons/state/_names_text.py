"""What an argument looks like in the source, where there is source: for people, never to decide anything."""

from __future__ import annotations

import itertools
import linecache
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ast
    from types import FrameType

LONGEST = 60


def argument_text(frame: FrameType, function: str, parameter: str) -> str | None:
    """Give the text of the argument in the call that a frame is making; None where it cannot be told."""
    import ast

    source = _call_source(frame)
    if source is None:
        return None
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return None
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and getattr(node.func, "attr", getattr(node.func, "id", "")) == function
        ):
            argument = _argument(node, parameter)
            text = ast.unparse(argument) if argument is not None else ""
            return text if 0 < len(text) <= LONGEST else None
    return None


def _argument(call: ast.Call, parameter: str) -> ast.expr | None:
    import ast

    for keyword in call.keywords:
        if keyword.arg == parameter:
            return keyword.value
    unpacked = any(keyword.arg is None for keyword in call.keywords)
    last = call.args[-1] if call.args and not unpacked else None
    return None if isinstance(last, ast.Starred) else last


def _call_source(frame: FrameType) -> str | None:
    lines = linecache.getlines(frame.f_code.co_filename, frame.f_globals)
    first, last, left, right = _position(frame)
    if not 0 < first <= last <= len(lines):
        return None
    if right is None:
        return lines[first - 1].strip()
    # Columns count bytes.
    text = [line.encode() for line in lines[first - 1 : last]]
    text[-1] = text[-1][:right]
    text[0] = text[0][left:]
    return "(" + b"".join(text).decode(errors="replace") + ")"


def _position(frame: FrameType) -> tuple[int, int, int, int | None]:
    line = frame.f_lineno or 0
    if sys.version_info >= (3, 11):
        first, last, left, right = next(
            itertools.islice(frame.f_code.co_positions(), frame.f_lasti // 2, None), (None, None, None, None)
        )
        if first is not None and last is not None and left is not None and right is not None:
            return first, last, left, right
    return line, line, 0, None
