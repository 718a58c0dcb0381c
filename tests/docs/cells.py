"""The notebooks' cells that stand in the documentation, and what becomes of the kernel between them."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.docs.pages import said

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# A cell, with the output that stands right behind it; or a comment that says what happens to the kernel.
_FOUND = re.compile(
    r"^\.\. kernel: (?P<fate>killed|restarted)$"
    r"|^\.\. code-block:: ipython3\n\n(?P<cell>(?:(?:[ ]{3}.*)?\n)+?)(?=\S)"
    r"(?:\.\. code-block:: text\n\n(?P<output>(?:(?:[ ]{3}.*)?\n)+))?",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Cell:
    """A cell of a page; before it the kernel may have had a ``fate``. ``output`` is None where none is shown."""

    line: int
    source: str
    output: str | None = None
    fate: str = ""


def cells(page: Path) -> Iterator[Cell]:
    """Give a page's cells, in order."""
    text = page.read_text(encoding="utf-8")
    fate = ""
    for match in _FOUND.finditer(text):
        if match["fate"]:
            fate = match["fate"]
            continue
        if "not run" in said(text[: match.start()]):
            continue
        line = text[: match.start()].count("\n") + 1
        output = _dedented(match["output"]) if match["output"] is not None else None
        yield Cell(line, _dedented(match["cell"]), output, fate)
        fate = ""


def _dedented(block: str) -> str:
    return textwrap.dedent(block).strip("\n") + "\n"
