"""Where a page says that a test shows something, there is such a test."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.docs.consoles import Console, consoles
from tests.docs.pages import ROOT, Example, examples, pages

if TYPE_CHECKING:
    from pathlib import Path

NAMED = re.compile(r"``(tests/[\w/]+\.py)(?:::(\w+))?``")
# Behind one with its file, others of that file are named alone.
ALONE = re.compile(r"``(test_\w+)``")
TOLD = [page for page in pages() if NAMED.search(page.read_text(encoding="utf-8"))]

PROGRAMS: list[Console | Example] = [each for page in pages() for each in examples(page) if each.run_by]
SHELLS: list[Console | Example] = [each for page in pages() for each in consoles(page) if each.run_by]


@pytest.mark.parametrize("page", TOLD, ids=lambda page: page.name)
def test_a_test_that_a_page_names_is_there(page: Path) -> None:
    """Else a promise would stand there that nothing tries any more."""
    text = page.read_text(encoding="utf-8")
    named: list[tuple[str, str]] = NAMED.findall(text)
    lacking = [f"{file}::{name}" for file, name in named if not defines(file, name)]
    lacking += [name for name in ALONE.findall(text) if not any(defines(file, name) for file, _ in named)]
    assert not lacking


@pytest.mark.parametrize("block", PROGRAMS + SHELLS, ids=str)
def test_a_test_that_runs_a_block_is_there(block: Console | Example) -> None:
    """Else the block would be run by nobody."""
    file, _, name = block.run_by.partition("::")
    assert name
    assert defines(file, name), block.run_by


def defines(file: str, name: str) -> bool:
    """Say whether there is such a file, with such a test in it."""
    path = ROOT / file
    if not path.is_file():
        return False
    defined = re.compile(rf"^\s*(?:async )?def {name}\(", re.MULTILINE)
    return not name or defined.search(path.read_text(encoding="utf-8")) is not None


def test_pages_are_found() -> None:
    """The collector has not gone blind: the page of promises names many."""
    text = (ROOT / "docs" / "explanation" / "what-is-guaranteed.rst").read_text(encoding="utf-8")
    assert len(NAMED.findall(text)) > 30
