"""Every example of the README and the documentation runs, and carries on when it is run again."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from tests.docs.consoles import consoles
from tests.docs.pages import examples, needs, pages
from tests.program import Program, clean_environ

if TYPE_CHECKING:
    from pathlib import Path

    from _pytest.mark import ParameterSet

    from tests.docs.pages import Example


def typed(example: Example) -> bool:
    """Tell whether its page types its name into a terminal: there it is run, and frameworks take long to import."""
    lines = [line for each in consoles(example.page) if not each.not_run for line in each.commands]
    return bool(needs(example.page)) and any(line.split()[:2] == ["python", example.name] for line in lines)


EXAMPLES = [example for page in pages() for example in examples(page) if not typed(example)]


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
        ".. not run: needs a cluster\n\n.. code-block:: python\n\n   import cluster\n",
        encoding="utf-8",
    )
    assert [(each.name, each.source) for each in examples(page)] == [
        ("one.py", "import os\n\nx = 1\n\ny = x\n"),
        ("example_24.py", "from os import path\n"),
    ]
