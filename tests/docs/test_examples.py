"""Every example of the README and the documentation runs, and carries on when it is run again."""

from __future__ import annotations

import ast
import importlib
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from tests.docs.consoles import consoles
from tests.docs.pages import examples, left_out, needs, pages
from tests.program import Program, clean_environ

if TYPE_CHECKING:
    from pathlib import Path

    from _pytest.mark import ParameterSet

    from tests.docs.pages import Block, Example


def typed(example: Example) -> bool:
    """Tell whether its page types its name into a terminal: there it is run, and frameworks take long to import."""
    lines = [line for each in consoles(example.page) if not each.not_run for line in each.commands]
    return bool(needs(example.page)) and any(line.split()[:2] == ["python", example.name] for line in lines)


ALL = [example for page in pages() for example in examples(page)]
EXAMPLES = [example for example in ALL if example.alone and not typed(example)]
# Where a page says what cannot be shown here, the reason says so in the report of the tests.
LEFT_OUT = [pytest.param(block, id=str(block)) for page in pages() for block in left_out(page)]


def case(example: Example) -> ParameterSet:
    """Run an example only where there is what its page needs."""
    wanted = needs(example.page)
    lacking = [name for name in wanted if find_spec(name) is None]
    marks = [pytest.mark.frameworks] if wanted else []
    if lacking:
        marks.append(pytest.mark.skip(reason=f"not installed: {', '.join(lacking)}"))
    return pytest.param(example, marks=marks, id=str(example))


@pytest.mark.parametrize("example", [case(example) for example in EXAMPLES])
def test_example_runs_twice(example: Example, tmp_path: Path) -> None:
    """A reader who copies an example sees it work, the first time and after a restart."""
    for other in examples(example.page):
        Program(tmp_path, other.source, other.name)  # A program may import another one of its page.
    program = Program(tmp_path, example.source, example.name)
    as_tests = ("-m", "pytest", "-q", "-p", "no:cacheprovider") if example.name.startswith("test_") else ()
    for run in ("first", "second"):
        done = program.run(python=as_tests, environ=clean_environ(PYTHONPATH=str(tmp_path)))
        assert done.returncode == 0, f"{example}, {run} run by {sys.version}:\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("example", [each for each in ALL if not each.alone], ids=str)
def test_what_is_run_below_is_run(example: Example) -> None:
    """Its page types its name, or copies it to where it is run."""
    typed_lines = [line for each in consoles(example.page) for line in (*each.prepared, *each.commands)]
    assert any(example.name in line.split() for line in typed_lines), example


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
        ".. not run: needs a cluster\n\n.. code-block:: python\n\n   import cluster\n",
        encoding="utf-8",
    )
    assert [(each.name, each.source, each.alone) for each in examples(page)] == [
        ("one.py", "import os\n\nx = 1\n\ny = x\n", True),
        ("example_24.py", "from os import path\n", True),
        ("two.py", "import os\n", False),
    ]
    assert [(each.source, each.not_run) for each in left_out(page)] == [
        ("import cluster\n", "needs a cluster")
    ]
