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
# What the comments right before a block say: that it is not run, and why; or not alone, but typed further below; or
# by the test that is named; and which modules it needs that its page does not.
COMMENT = re.compile(r"[ ]*\.\. (?P<what>not run|run below|run by|this needs): (?P<told>.+)")

# The comment at the top of a page whose programs need what a plain installation does not bring.
NEEDS = re.compile(r"^\.\. needs: (.+)$", re.MULTILINE)
# Modules of the group `frameworks`, which are there on one Python only.
_GROUP = re.compile(r"^frameworks = \[\n(.*?)^\]", re.MULTILINE | re.DOTALL)
FRAMEWORKS = frozenset(
    re.findall(
        r'"([a-z]+)(?:-core)?>=', _GROUP.findall((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[0]
    )
)


@dataclass(frozen=True)
class Example:
    """A program on a page: one block, or a block and those that carry it on; ``alone`` if it needs nothing else."""

    page: Path
    line: int
    name: str
    source: str
    alone: bool = True
    run_by: str = ""
    needs: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Give the place, for the names of the tests."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    """Give the pages whose examples are run."""
    return [ROOT / "README.rst", ROOT / "SECURITY.rst", *sorted((ROOT / "docs").rglob("*.rst"))]


def needs(page: Path) -> list[str]:
    """Give the modules without which a page's programs cannot run."""
    return [name for line in NEEDS.findall(page.read_text(encoding="utf-8")) for name in _names(line)]


def said(before: str) -> dict[str, str]:
    """Give what the comments right before a block say, by what they are about."""
    found: dict[str, str] = {}
    for line in reversed(before.splitlines()):
        match = COMMENT.fullmatch(line)
        if match is not None:
            found[match["what"]] = match["told"]
        elif line.strip():
            break
    return found


def examples(page: Path) -> list[Example]:
    """Give a page's programs; a block that does not begin with an import carries on the one before."""
    found: list[Example] = []
    common = tuple(needs(page))
    for block in _blocks(page):
        if block.not_run:
            continue
        begins = re.match(r'(#.*\n|\s*\n)*(from |import |""")', block.source)
        line, name, source = block.line, block.name, block.source
        alone, run_by, wanted = not block.run_below, block.run_by, (*common, *block.needs)
        if found and not begins:
            before = found.pop()
            line, name, source = before.line, name or before.name, f"{before.source}\n{source}"
            alone, run_by, wanted = before.alone, before.run_by, (*before.needs, *block.needs)
        found.append(
            Example(page, line, name or f"example_{line}.py", source, alone and not run_by, run_by, wanted)
        )
    return found


def left_out(page: Path) -> list[Block]:
    """Give a page's blocks that are not run."""
    return [block for block in _blocks(page) if block.not_run]


@dataclass(frozen=True)
class Block:
    """A block of Python, and what its comments say; ``not_run`` is why, where it cannot be run here."""

    page: Path
    line: int
    name: str
    source: str
    not_run: str
    run_below: str
    run_by: str
    needs: tuple[str, ...]

    def __str__(self) -> str:
        """Give the place, for the names of the tests."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def _blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for match in BLOCK.finditer(text + "\n"):
        before = text[: match.start()]
        name = re.search(r":name: (\S+\.py)", match["options"])
        comments = said(before)
        yield Block(
            page,
            before.count("\n") + 1,
            name[1] if name else "",
            textwrap.dedent(match["code"]).strip("\n") + "\n",
            comments.get("not run", ""),
            comments.get("run below", ""),
            comments.get("run by", ""),
            _names(comments.get("this needs", "")),
        )


def _names(told: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in told.split(",") if name.strip())
