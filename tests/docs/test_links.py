"""What the README and the documentation refer to is there, under the name that they use."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.docs.links import Reference, every_page, leads_somewhere, references
from tests.docs.pages import ROOT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("page", every_page(), ids=lambda page: str(page.relative_to(ROOT)))
def test_references_lead_somewhere(page: Path) -> None:
    """A file that was moved, a section that was renamed or an address with a slip is found before a reader does."""
    assert [str(each) for each in references(page) if not leads_somewhere(each)] == []


def test_the_readme_needs_no_sphinx() -> None:
    """It is shown as it is where the source is kept and where the package is found: roles would be noise there."""
    text = (ROOT / "README.rst").read_text(encoding="utf-8")
    assert re.findall(r":(?:doc|ref|class|func|py:\w+):`", text) == []


def test_every_cell_of_the_comparison_is_shown() -> None:
    """No word about another library stands in the README's tables without what shows it."""
    text = (ROOT / "README.rst").read_text(encoding="utf-8")
    tables = re.findall(r"^\.\. list-table:: .+\n((?:[ ]{3}.*\n|\n)+)", text, re.MULTILINE)
    assert len(tables) == 2
    for table in tables:
        rows = re.split(r"^[ ]{3}\* - ", table, flags=re.MULTILINE)[2:]
        for row in rows:
            name, *cells = re.split(r"^[ ]{5}- ", row, flags=re.MULTILINE)
            for cell in cells:
                left = re.sub(r"`[^`<>]+<[^`<>]+>`__", "", cell)
                assert left != cell, f"{name.strip()}: {cell}"


def test_references_are_found() -> None:
    """The collector has not gone blind: each kind is there, and often."""
    kinds = Counter(each.kind for page in every_page() for each in references(page))
    assert all(kinds[kind] > 10 for kind in ("doc", "file", "path", "link", "address")), kinds


def test_what_leads_nowhere_is_told(tmp_path: Path) -> None:
    """Each kind of reference, once right and once wrong; what stands in code is none."""
    (tmp_path / "other.rst").write_text("A title, and more\n=================\n", encoding="utf-8")
    page = tmp_path / "page.rst"
    page.write_text(
        "Here\n====\n\n:doc:`other`, :doc:`the other <gone>`, `a <other.rst#a-title-and-more>`__, `b <other.rst#b>`_,\n"
        "`c <#here>`__ `d\n<gone.rst>`__ ``README.rst`` ``tests/gone.py`` https://example.org/x. "
        "`e <https://exa mple.org>`__\n\n"
        ".. image:: other.rst\n.. image:: gone.png\n\nCode::\n\n   `f <gone>`__\n\nEnd.\n",
        encoding="utf-8",
    )
    found = list(references(page))
    assert [each.target for each in found if leads_somewhere(each)] == [
        "README.rst",
        "other",
        "other.rst",
        "other.rst#a-title-and-more",
        "#here",
        "https://example.org/x",
    ]
    assert Reference(page, "link", "gone.rst") in found
    assert {each.target for each in found if not leads_somewhere(each)} == {
        "tests/gone.py",
        "gone",
        "gone.png",
        "other.rst#b",
        "gone.rst",
        "https://exa mple.org",
    }
