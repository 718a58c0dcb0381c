"""Every cell of the documentation runs in a real kernel, one after the other, and shows what the page says."""

from __future__ import annotations

import doctest
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("ipykernel", reason="not installed: ipykernel")

from tests.docs.cells import Cell, cells
from tests.docs.pages import pages
from tests.docs.surroundings import buckets
from tests.integration.kernels import Kernel, kernel

if TYPE_CHECKING:
    from pathlib import Path

PAGES = [page for page in pages() if any(True for _ in cells(page))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_cells_of_a_page_run(page: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """In one notebook, whose kernel is killed and restarted where the page says so."""
    rest = list(cells(page))
    source = "".join(cell.source for cell in rest)
    environ = buckets(request.getfixturevalue("s3_port"), source) if "s3://" in source else {}
    while rest:
        with kernel(tmp_path, HOME=str(tmp_path), **environ) as one:
            show(one, rest.pop(0))
            while rest and rest[0].fate != "killed":
                if rest[0].fate == "restarted":
                    one.restart()
                show(one, rest.pop(0))
            if rest:
                one.kill()


def show(one: Kernel, cell: Cell) -> None:
    """Run a cell and compare what it shows with what the page says."""
    ran = one.run(cell.source)
    assert not ran.error, f"line {cell.line}: {ran.error}"
    if cell.output is not None:
        alike = doctest.OutputChecker().check_output(cell.output, ran.text, doctest.ELLIPSIS)
        assert alike, f"line {cell.line}: {ran.text!r}"


def test_cells_are_told_apart(tmp_path: Path) -> None:
    """Cells, outputs, other blocks, and what happens to the kernel."""
    page = tmp_path / "page.rst"
    page.write_text(
        ".. code-block:: ipython3\n\n   a = 1\n\n   a\n\n.. code-block:: text\n\n   1\n\nText.\n\n.. kernel: killed\n\n"
        ".. code-block:: python\n\n   import os\n\n.. code-block:: ipython3\n\n   %lattice\n\nText.\n\n"
        ".. code-block:: text\n\n   no output\n\n.. not run: why\n\n.. code-block:: ipython3\n\n   1 / 0\n\nText.\n",
        encoding="utf-8",
    )
    assert list(cells(page)) == [
        Cell(1, "a = 1\n\na\n", "1\n"),
        Cell(19, "%lattice\n", None, "killed"),
    ]
    assert PAGES
