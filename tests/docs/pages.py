"""The Python programs that stand in the README and the documentation."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(
    r"^(?P<indent>[ ]*)\.\. code-block:: (?:python|py|python3)\n"
    r"(?P<options>(?:(?P=indent)[ ]{3}:.*\n)*)"
    r"\n+(?P<code>(?:(?:(?P=indent)[ ]{3}.*)?\n)+)",
    re.MULTILINE,
)
# The comments before a block that is not to be run, or not alone; the reason stands behind the colon.
NOT_RUN = re.compile(r"\.\. not run: (.+)\n\s*\Z")
RUN_BELOW = re.compile(r"\.\. run below: .+\n\s*\Z")

# The comment at the top of a page whose programs need what a plain installation does not bring.
NEEDS = re.compile(r"^\.\. needs: (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Example:
    """A program on a page: one block, or a block and those that carry it on; ``alone`` if it needs nothing else."""

    page: Path
    line: int
    name: str
    source: str
    alone: bool = True

    def __str__(self) -> str:
        """Give the place, for the names of the tests."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    """Give the pages whose examples are run."""
    return [ROOT / "README.rst", ROOT / "SECURITY.rst", *sorted((ROOT / "docs").rglob("*.rst"))]


def needs(page: Path) -> list[str]:
    """Give the modules without which a page's programs cannot run."""
    return [
        name.strip() for line in NEEDS.findall(page.read_text(encoding="utf-8")) for name in line.split(",")
    ]


def examples(page: Path) -> list[Example]:
    """Give a page's programs; a block that does not begin with an import carries on the one before."""
    found: list[Example] = []
    for block in _blocks(page):
        if block.not_run:
            continue
        begins = re.match(r'(#.*\n|\s*\n)*(from |import |""")', block.source)
        if begins or not found:
            name = block.name or f"example_{block.line}.py"
            found.append(Example(page, block.line, name, block.source, block.alone))
        else:
            before = found.pop()
            source = before.source + "\n" + block.source
            found.append(Example(page, before.line, block.name or before.name, source, before.alone))
    return found


def left_out(page: Path) -> list[Block]:
    """Give a page's blocks that are not run."""
    return [block for block in _blocks(page) if block.not_run]


@dataclass(frozen=True)
class Block:
    """A block of Python; ``not_run`` says why, where it cannot be run here."""

    page: Path
    line: int
    name: str
    source: str
    not_run: str
    alone: bool

    def __str__(self) -> str:
        """Give the place, for the names of the tests."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def _blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for match in BLOCK.finditer(text + "\n"):
        before = text[: match.start()]
        name = re.search(r":name: (\S+\.py)", match["options"])
        why = NOT_RUN.search(before)
        yield Block(
            page,
            before.count("\n") + 1,
            name[1] if name else "",
            textwrap.dedent(match["code"]).strip("\n") + "\n",
            why[1] if why else "",
            alone=RUN_BELOW.search(before) is None,
        )
