"""Every example of the README and the documentation runs, and carries on when it is run again."""

from __future__ import annotations

import ast
import importlib
import re
import sys
from typing import TYPE_CHECKING

import pytest

from tests.docs.consoles import consoles
from tests.docs.pages import examples, left_out, needs, pages
from tests.docs.surroundings import ONE_THREAD, marks
from tests.program import Program, clean_environ

if TYPE_CHECKING:
    from pathlib import Path

    from tests.docs.pages import Block, Example


def typed(example: Example) -> bool:
    """Tell whether its page types its name into a terminal: there it is run, and frameworks take long to import."""
    lines = [line for each in consoles(example.page) if each.is_typed for line in each.commands]
    return bool(needs(example.page)) and any(
        re.match(rf"(\w+=\S+ )*python {re.escape(example.name)}\b", line) for line in lines
    )


ALL = [example for page in pages() for example in examples(page)]
EXAMPLES = [example for example in ALL if example.alone and not typed(example)]
BELOW = [example for example in ALL if not example.alone and not example.run_by]
# Where a page says what cannot be shown here, the reason says so in the report of the tests.
LEFT_OUT = [pytest.param(block, id=str(block)) for page in pages() for block in left_out(page)]
CASES = [pytest.param(example, marks=marks(example.needs), id=str(example)) for example in EXAMPLES]


@pytest.mark.parametrize("example", CASES)
def test_example_runs_twice(example: Example, tmp_path: Path) -> None:
    """A reader who copies an example sees it work, the first time and after a restart; tests begin anew each time."""
    for other in examples(example.page):
        Program(tmp_path, other.source, other.name)  # A program may import another one of its page.
    program = Program(tmp_path, example.source, example.name)
    environ = clean_environ(PYTHONPATH=str(tmp_path), **ONE_THREAD)
    has_tests = example.name.startswith("test_")
    as_tests = ("-m", "pytest", "-q", "-p", "no:cacheprovider") if has_tests else ()
    for run in ("first",) if has_tests else ("first", "second"):
        done = program.run(python=as_tests, environ=environ)
        assert done.returncode == 0, f"{example}, {run} run by {sys.version}:\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("example", BELOW, ids=str)
def test_what_is_run_below_is_run(example: Example) -> None:
    """Its page types its name, or copies it to where it is run."""
    lines = [
        line for each in consoles(example.page) if each.is_typed for line in (*each.prepared, *each.commands)
    ]
    assert any(example.name in line.split() for line in lines), example


@pytest.mark.parametrize("block", LEFT_OUT)
def test_a_block_that_is_not_run_can_be(block: Block) -> None:
    """It is Python, what it takes from here is there, and its reason is seen."""
    names = [
        (node.module, name.name)
        for node in ast.walk(ast.parse(block.source, str(block)))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("lattice_addons")
        for name in node.names
    ]
    for module, name in names:
        assert hasattr(importlib.import_module(module), name), f"{block}: {module}.{name}"
    pytest.skip(f"{block}: {block.not_run}")


def test_examples_are_found() -> None:
    """The collector has not gone blind: the README and the tutorial have examples."""
    found = {example.page.name for example in EXAMPLES}
    assert {"README.rst", "index.rst", "settings.rst"} <= found


def test_blocks_are_told_apart(tmp_path: Path) -> None:
    """Programs, their continuations, other languages and blocks that are not run."""
    page = tmp_path / "page.rst"
    page.write_text(
        "Text::\n\n   not python\n\n"
        ".. code-block:: python\n   :name: one.py\n\n   import os\n\n   x = 1\n\nText\n\n"
        ".. code-block:: python\n\n   y = x\n\n"
        ".. code-block:: console\n\n   $ ls\n\n"
        "- item\n\n  .. code-block:: python\n\n     from os import path\n\n"
        ".. run below: needs a service\n\n.. code-block:: python\n   :name: two.py\n\n   import os\n\n"
        ".. not run: needs a cluster\n\n.. code-block:: python\n\n   import cluster\n\n"
        ".. this needs: torch, numpy\n.. run by: tests/x.py::test_y\n\n.. code-block:: python\n\n   import torch\n",
        encoding="utf-8",
    )
    *first, last = examples(page)
    assert [(each.name, each.source, each.alone) for each in first] == [
        ("one.py", "import os\n\nx = 1\n\ny = x\n", True),
        ("example_24.py", "from os import path\n", True),
        ("two.py", "import os\n", False),
    ]
    assert (last.alone, last.run_by, last.needs) == (False, "tests/x.py::test_y", ("torch", "numpy"))
    assert [(each.source, each.not_run) for each in left_out(page)] == [
        ("import cluster\n", "needs a cluster")
    ]
