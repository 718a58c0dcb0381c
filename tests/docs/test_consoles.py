"""Every command line of the documentation can be typed as it stands, and does what the page says it does."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from lattice_addons.cli import build_parser
from lattice_addons.cli._commands import COMMANDS
from tests.docs.consoles import Console, consoles, inline, lattice_lines
from tests.docs.pages import examples, needs, pages
from tests.program import Program, clean_environ

if TYPE_CHECKING:
    from pathlib import Path

    from _pytest.mark import ParameterSet

ALL = [console for page in pages() for console in consoles(page)]
PAGES = [page for page in pages() if any(not each.not_run for each in consoles(page))]
BASH = shutil.which("bash")
# Where a how-to says what cannot be shown here, the reason says so in the report of the tests.
LEFT_OUT = [pytest.param(each, id=str(each)) for each in ALL if each.not_run]


def case(page: Path) -> ParameterSet:
    """Run a page only where there is what it needs."""
    wanted = needs(page)
    lacking = [name for name in wanted if find_spec(name) is None]
    marks = [pytest.mark.frameworks] if wanted else []
    if lacking:
        marks.append(pytest.mark.skip(reason=f"not installed: {', '.join(lacking)}"))
    return pytest.param(page, marks=marks, id=page.name)


def shims(folder: Path) -> Path:
    """Make a folder with a `lattice` and a `python` that are those of this test."""
    folder.mkdir()
    for name, command in (("lattice", "-m lattice_addons.cli"), ("python", ""), ("experiment", "")):
        text = f'#!/bin/sh\nexec "{sys.executable}" {command} "$@"\n'
        (folder / name).write_text(text, encoding="utf-8")
        (folder / name).chmod(0o755)
    return folder


@pytest.mark.skipif(BASH is None, reason="not installed: bash")
@pytest.mark.parametrize("page", [case(page) for page in PAGES])
def test_commands_of_a_page_run(page: Path, tmp_path: Path) -> None:
    """In a folder with the page's programs, one block after the other, each line ends well."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "pyproject.toml").touch()
    for example in examples(page):
        Program(folder, example.source, example.name)
    environ = clean_environ(
        PATH=f"{shims(tmp_path / 'bin')}{os.pathsep}{os.environ['PATH']}",
        PYTHONPATH=str(folder),
        HOME=str(tmp_path),
        COLUMNS="100",
    )
    # One terminal a page: what is exported stays.
    script = "".join(console.script for console in consoles(page) if not console.not_run)
    done = subprocess.run(
        [str(BASH), "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout[-4000:]}{done.stderr[-4000:]}"


@pytest.mark.parametrize("console", LEFT_OUT)
def test_a_block_that_is_not_run_says_why(console: Console) -> None:
    """It is skipped where everybody sees it, and its command lines are right all the same (see below)."""
    pytest.skip(f"{console}: {console.not_run}")


@pytest.mark.parametrize("console", ALL, ids=str)
def test_command_lines_are_taken(console: Console) -> None:
    """Whether they are run or not: the parser takes each `lattice` line, so that none is of yesterday."""
    for words in lattice_lines("\n".join((*console.prepared, *console.commands))):
        taken(words)


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_of_the_help_are_taken(name: str) -> None:
    """The example that a command's help shows is a command line of it."""
    example = COMMANDS[name].example
    found = lattice_lines(example.removeprefix('eval "$(').removesuffix(')"'))
    assert len(found) == 1, example
    assert found[0][0] == name
    taken(found[0])


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_commands_in_the_text_exist(page: Path) -> None:
    """A page that names a command, or an option of one, names one that there is."""
    parser = build_parser()
    (subparsers,) = (action.choices for action in parser._actions if isinstance(action.choices, dict))
    for words in inline(page):
        name, *rest = words
        if not name.isalpha():  # an option, or no command at all
            continue
        assert name in subparsers, f"{page.name}: {' '.join(words)}"
        known = options_of(subparsers[name])
        until = rest.index("--") if "--" in rest else len(rest)
        for word in rest[:until]:
            option = word.partition("=")[0].strip("[],.")
            if option.startswith("--") and len(option) > 2 and name != "experiment":
                assert option in known, f"{page.name}: {' '.join(words)}"


def options_of(parser: object) -> set[str]:
    """Give the options of a command, and of those below it."""
    found: set[str] = set()
    for action in parser._actions:  # type: ignore[attr-defined]
        found |= set(action.option_strings)
        if isinstance(action.choices, dict):
            for below in action.choices.values():
                found |= options_of(below)
    return found


def taken(words: list[str]) -> None:
    """See that the parser takes a command line."""
    told = io.StringIO()
    # What a page takes from a variable of the shell may be a number.
    words = ["5555" if re.fullmatch(r"\$\{?[A-Z]+(:=\d+)?\}?", word) else word for word in words]
    try:
        with contextlib.redirect_stderr(told), contextlib.redirect_stdout(told):
            build_parser(words[:1]).parse_args(words)
    except SystemExit as ended:
        status = ended.code
    else:
        status = 0
    assert status == 0, f"lattice {' '.join(words)}\n{told.getvalue()}"


def test_blocks_are_told_apart(tmp_path: Path) -> None:
    """Prompts, output, lines that go on, what is prepared, and what is not run."""
    page = tmp_path / "page.rst"
    page.write_text(
        ".. prepared by: one\n.. prepared by: two\n\n"
        ".. code-block:: console\n\n   $ lattice list \\\n     --json\n   output\n   $ ls\n\nText::\n\n   no prompt\n\n"
        ".. not run: no cluster\n\n.. code-block:: bash\n\n   exec lattice run -- srun x\n\n"
        ".. prepared by: three\n\nSome text, and\nthis::\n\n   $ ls\n",
        encoding="utf-8",
    )
    first, second, third = consoles(page)
    assert (third.prepared, third.commands, third.not_run) == (("three",), ("ls",), "")
    assert first.prepared == ("one", "two")
    assert first.commands == ("lattice list \\", "  --json", "ls")
    assert (second.not_run, second.commands) == ("no cluster", ("exec lattice run -- srun x",))
    assert lattice_lines(second.commands[0]) == [["run", "--", "srun", "x"]]
    assert lattice_lines("A=1 lattice run --report x -- p &") == [["run", "--report", "x", "--", "p"]]


def test_consoles_are_found() -> None:
    """The collector has not gone blind: most blocks of the how-tos are run."""
    assert len(PAGES) >= 4
    assert sum(1 for each in ALL if not each.not_run) >= 8
