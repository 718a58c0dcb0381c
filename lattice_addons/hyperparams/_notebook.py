"""The code cells of a Jupyter notebook, as one text of Python."""

from __future__ import annotations

import json
import re
from typing import Any

from ._problem import NoPython, Problem
from ._source import Source

__all__ = ["notebook"]

#: Cell magics whose cell is Python all the same.
_PYTHON = re.compile(r"\s*%%(?:time|timeit|capture|prun|debug|mypy|memit)\b")
# A line magic, a command of the shell, a question before or behind; an assignment of the first two.
_MAGIC = re.compile(
    r"(?P<indent>\s*)(?:(?:[\w.,\[\]'\" ()*]+=\s*)?(?:%{1,2}\w|!)|\?|/\w|[,;]\w).*"
    r"|(?P<asked>\s*)[\w.]+\?{1,2}\s*"
)


def notebook(data: bytes, path: str) -> Source:
    """Read a notebook; its magics are skipped.

    Raises:
        NoPython: this is no notebook.
    """
    try:
        told = json.loads(data.decode("utf-8-sig"))
        cells = [_text(cell) for cell in _cells(told) if cell.get("cell_type") == "code"]
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        raise NoPython(Problem("source", f"this is no notebook: {error}", path, 1, 1)) from None
    starts, texts, line = [], [], 1
    for cell in cells:
        text = _without_magics(cell.replace("\r\n", "\n").replace("\r", "\n"))
        starts.append(line)
        texts.append(text)
        line += text.count("\n") + 1
    return Source("\n".join(texts), path, starts)


def _cells(told: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - any JSON
    if "cells" in told:
        found: list[dict[str, Any]] = told["cells"]
        return found
    # Notebooks of format 3 have sheets.
    return [cell for sheet in told["worksheets"] for cell in sheet["cells"]]


def _text(cell: dict[str, Any]) -> str:
    text = cell["source"] if "source" in cell else cell["input"]
    return text if isinstance(text, str) else "".join(text)


def _without_magics(text: str) -> str:
    """Give a cell without what is IPython's and not Python's, on as many lines."""
    lines = text.split("\n")
    first = next((number for number, line in enumerate(lines) if line.strip()), 0)
    if lines[first].lstrip().startswith("%%"):
        if not _PYTHON.match(lines[first]):
            return "\n" * (len(lines) - 1)
        lines[first] = ""
    if _is_python("\n".join(lines)):
        return "\n".join(lines)
    return "\n".join(_MAGIC.sub(_passed, line) if _MAGIC.fullmatch(line) else line for line in lines)


def _passed(match: re.Match[str]) -> str:
    # A statement must stand there: the line may be all that is in a block.
    return f"{match['indent'] or match['asked'] or ''}pass"


def _is_python(text: str) -> bool:
    try:
        Source(text, "").tree()
    except NoPython:
        return False
    return True
