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
# The comment before a block that is not to be run; the reason stands behind the colon.
NOT_RUN = re.compile(r"\.\. not run: .+\n\s*\Z")


# The comment at the top of a page whose programs need what a plain installation does not bring.
NEEDS = re.compile(r"^\.\. needs: (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Example:
    """A program on a page: one block, or a block and those that carry it on."""

    page: Path
    line: int
    name: str
    source: str

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
    for line, name, source in _blocks(page.read_text(encoding="utf-8")):
        begins = re.match(r'(#.*\n|\s*\n)*(from |import |""")', source)
        if begins or not found:
            found.append(Example(page, line, name or f"example_{line}.py", source))
        else:
            before = found.pop()
            found.append(Example(page, before.line, name or before.name, before.source + "\n" + source))
    return found


def _blocks(text: str) -> Iterator[tuple[int, str, str]]:
    for match in BLOCK.finditer(text + "\n"):
        before = text[: match.start()]
        if not NOT_RUN.search(before):
            name = re.search(r":name: (\S+\.py)", match["options"])
            yield (
                before.count("\n") + 1,
                name[1] if name else "",
                textwrap.dedent(match["code"]).strip("\n") + "\n",
            )
