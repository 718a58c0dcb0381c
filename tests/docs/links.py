"""What the README and the documentation refer to: pages, sections, files, and addresses elsewhere."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.docs.pages import ROOT, pages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BLOCK = re.compile(r"^(?P<indent>[ ]*)(?:\.\. (?:code-block|doctest|math)::.*|(?!\.\. ).*::)$")
# What is said to the tests, and not to a reader.
COMMENT = re.compile(
    r"[ ]*\.\. (?:not run|run below|run by|prepared by|checked by|goes on|needs|this needs): "
)
LITERAL = re.compile(r"``(.+?)``", re.DOTALL)
LINK = re.compile(r"(?<!:)`[^`<>]*<(?P<target>[^`<>]+)>`_")
DOC = re.compile(r":doc:`(?:[^`<>]*<)?(?P<target>[^`<>]+)>?`")
FILE = re.compile(r"^[ ]*\.\. (?:image|figure|include|literalinclude):: (?P<target>\S+)$", re.MULTILINE)
BARE = re.compile(r"(?<![<`\w])https?://[^\s<>`'\")]+")
# A path of this repository, written as text.
PATH = re.compile(r"(?:docs|examples|tests|benchmarks|lattice_addons|\.ci)/[\w./-]+|[A-Z]+\.rst")
TITLE = re.compile(r"^(?P<title>\S.*)\n(?P<line>([=\-~^\"'+])\3+)$", re.MULTILINE)


@dataclass(frozen=True)
class Reference:
    """A place on a page that names another place; ``kind`` says how it is meant."""

    page: Path
    kind: str
    target: str

    def __str__(self) -> str:
        """Say where it stands and where it leads."""
        return f"{self.page.relative_to(ROOT)}: {self.target}"


def every_page() -> list[Path]:
    """Give all pages: those with examples, and the others beside the README."""
    return sorted({*pages(), *ROOT.glob("*.rst")})


def references(page: Path) -> Iterator[Reference]:
    """Give what a page refers to, its blocks of code left out."""
    text = _prose(page.read_text(encoding="utf-8"))
    for literal in LITERAL.findall(text):
        if PATH.fullmatch(literal):
            yield Reference(page, "path", literal)
    text = LITERAL.sub("", text)
    for kind, pattern in (("doc", DOC), ("file", FILE)):
        for match in pattern.finditer(text):
            yield Reference(page, kind, match["target"])
    for match in LINK.finditer(DOC.sub("", text)):
        target = re.sub(r"\s+", " ", match["target"]).strip()
        yield Reference(page, "address" if "://" in target else "link", target)
    for match in BARE.finditer(text):
        yield Reference(page, "address", match[0].rstrip(".,:;"))


def _prose(text: str) -> str:
    """Leave out literal blocks, in which a backtick is a backtick."""
    kept: list[str] = []
    within = -1
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        if within >= 0 and (not line.strip() or indent > within):
            continue
        begins = BLOCK.match(line)
        within = len(begins["indent"]) if begins else -1
        if not COMMENT.match(line):
            kept.append(line)
    return "\n".join(kept)


def sections(page: Path) -> set[str]:
    """Give the names by which a page's sections are linked to."""
    titles = TITLE.finditer(page.read_text(encoding="utf-8"))
    return {re.sub(r"[^a-z0-9]+", "-", match["title"].lower()).strip("-") for match in titles}


def leads_somewhere(reference: Reference) -> bool:
    """Tell whether what is referred to is there; of an address elsewhere, whether it can be one."""
    target, _, section = reference.target.partition("#")
    folder = reference.page.parent
    if reference.kind == "address":
        return re.fullmatch(r"https?://([\w-]+\.)*[\w-]+(:\d+)?(/[^\s<>\"]*)?", reference.target) is not None
    if reference.kind == "path":
        return (ROOT / target).exists()
    if reference.kind == "doc":
        start = ROOT / "docs" if target.startswith("/") else folder
        return (start / f"{target.lstrip('/')}.rst").is_file()
    there = (ROOT / "docs" / target[1:]) if target.startswith("/") else folder / target
    if not target:
        there = reference.page
    return there.exists() and (not section or section in sections(there))
