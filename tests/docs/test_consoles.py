"""Every command line of the documentation can be typed as it stands, and does what the page says it does."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from lattice_addons.cli import build_parser
from lattice_addons.cli._commands import COMMANDS
from tests.docs.consoles import Console, consoles, inline, lattice_lines
from tests.docs.pages import ROOT, examples, needs, pages
from tests.docs.surroundings import (
    CLUSTERS,
    ONE_THREAD,
    PORT,
    PRELUDE,
    alone_at,
    buckets,
    google,
    installed,
    marks,
    pip,
)
from tests.integration.ports import free_port
from tests.program import Program, clean_environ

ALL = [console for page in pages() for console in consoles(page)]
PAGES = [
    pytest.param(page, marks=marks(needs(page)), id=page.name)
    for page in pages()
    if any(each.is_typed for each in consoles(page))
]
BASH = shutil.which("bash")
# Where a how-to says what cannot be shown here, the reason says so in the report of the tests.
LEFT_OUT = [pytest.param(each, id=str(each)) for each in ALL if each.not_run]


def shims(folder: Path) -> Path:
    """Make a folder with a `lattice`, a `python` and a `dask` that are those of this test."""
    folder.mkdir()
    commands = {"lattice": "-m lattice_addons.cli", "python": "", "experiment": "", "dask": "-m dask"}
    for name, command in commands.items():
        text = f'#!/bin/sh\nexec "{sys.executable}" {command} "$@"\n'
        (folder / name).write_text(text, encoding="utf-8")
        (folder / name).chmod(0o755)
    pip(folder)
    return folder


@pytest.mark.timeout(600)
@pytest.mark.skipif(BASH is None, reason="not installed: bash")
@pytest.mark.parametrize("page", PAGES)
def test_commands_of_a_page_run(page: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """In a folder with the page's programs, one block after the other, each line ends well."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "pyproject.toml").touch()
    programs = [Program(folder, example.source, example.name) for example in examples(page)]
    installed(folder)
    environ = clean_environ(
        PATH=f"{shims(tmp_path / 'bin')}{os.pathsep}{os.environ['PATH']}",
        PYTHONPATH=str(folder),
        HOME=str(tmp_path),
        COLUMNS="100",
        # What matplotlib knows of this machine's fonts it finds out once, not for each page.
        MPLCONFIGDIR=str(Path.home() / ".cache" / "matplotlib"),
        # A page that opens a browser opens none.
        BROWSER="true",
        **ONE_THREAD,
        **CLUSTERS,
    )
    # One terminal a page: what is exported stays.
    run = [console for console in consoles(page) if console.is_typed]
    script = "".join(console.script for console in run)
    with ExitStack() as around:
        if any(console.goes_on for console in run):
            script = PRELUDE + script
        if any(words[:1] == ["serve"] and "--port" not in words for words in lattice_lines(script)):
            around.enter_context(alone_at(PORT))
        if re.search(r"\$\{?PORT\b", script):
            environ |= {"PORT": str(free_port())}
        names = [program.path for program in programs if f"python {program.path.name}" in script]
        asked = script + "".join(path.read_text(encoding="utf-8") for path in names)
        status, said = typed(script, folder, environ | servers(asked, request))
    assert status == 0, f"{script}\n{said}"


def servers(script: str, request: pytest.FixtureRequest) -> dict[str, str]:
    """Start what a script asks, and give the environment that leads there; skip where it is not installed."""
    if re.search("^lattice (serve|ui)", script, re.MULTILINE):
        for name in ("uvicorn", "jinja2"):
            pytest.importorskip(name, reason="a page serves")
    for program in ("openssl", "sbatch"):
        if re.search(f"^{program} ", script, re.MULTILINE) and shutil.which(program) is None:
            pytest.skip(f"not installed: {program}")
    environ: dict[str, str] = {}
    if re.search("^sbatch ", script, re.MULTILINE):
        environ |= {"SLURM_CONF": request.getfixturevalue("slurm").environ["SLURM_CONF"]}
    if "s3://" in script and "moto" not in script:
        environ |= buckets(request.getfixturevalue("s3_port"), script)
    if "gs://" in script:
        environ |= google(request.getfixturevalue("gcs_port"))
    return environ


def typed(script: str, folder: Path, environ: dict[str, str]) -> tuple[int, str]:
    """Type a script into a terminal, whose end is that of all that was started there; give its status and output."""
    shell = subprocess.Popen(
        [str(BASH), "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, err = shell.communicate(timeout=500)
    except subprocess.TimeoutExpired as late:
        pytest.fail(f"it goes on and on; so far it has said\n{late.stdout!r}\n{late.stderr!r}")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGKILL)
    return shell.returncode, out[-4000:] + err[-4000:]


@pytest.mark.skipif(BASH is None, reason="not installed: bash")
@pytest.mark.parametrize("console", LEFT_OUT)
def test_a_block_that_is_not_run_says_why(console: Console) -> None:
    """It is skipped where everybody sees it, and its command lines are right all the same (see also below)."""
    read = subprocess.run(
        [str(BASH), "-n"], input=console.script, capture_output=True, text=True, check=False
    )
    assert (read.returncode, read.stderr) == (0, ""), console
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
        ".. prepared by: three\n\nSome text, and\nthis::\n\n   $ ls\n\n.. checked by: four\n\nThe end.\n\n"
        ".. code-block:: bash\n   :name: train.sh\n\n   #!/bin/sh\n\n   echo $5\n",
        encoding="utf-8",
    )
    first, second, third, fourth, fifth = consoles(page)
    assert (fifth.name, fifth.commands) == ("train.sh", ("#!/bin/sh", "", "echo $5"))
    named = Console(ROOT / "x", 1, ("one",), ("two",), "", name="train.sh")
    assert named.script == "echo 'x:1' >&2\none\ncat > train.sh << 'end of train.sh'\ntwo\nend of train.sh\n"
    assert (fourth.prepared, fourth.commands, fourth.not_run) == ((), ("four",), "")
    assert (third.prepared, third.commands, third.not_run) == (("three",), ("ls",), "")
    assert first.prepared == ("one", "two")
    assert first.commands == ("lattice list \\", "  --json", "ls")
    assert (second.not_run, second.commands) == ("no cluster", ("exec lattice run -- srun x",))
    assert lattice_lines(second.commands[0]) == [["run", "--", "srun", "x"]]
    assert lattice_lines("A=1 lattice run --report x -- p &") == [["run", "--report", "x", "--", "p"]]


def test_what_goes_on_beside_is_started_last() -> None:
    """The other lines of its block are done before; what was going on ends first."""
    page = ROOT / "docs" / "page.rst"
    console = Console(page, 1, ("one",), ("two", "lattice serve \\", "  --root x"), "", goes_on=True)
    assert console.script.splitlines()[1:] == [
        "one",
        "two",
        "end_beside",
        "lattice serve \\",
        '  --root x > "$HOME/beside.log" 2>&1 &',
        "await_beside $! '://'",
    ]


@pytest.mark.skipif(BASH is None, reason="not installed: bash")
def test_what_goes_on_beside_ends_with_the_page(tmp_path: Path) -> None:
    """Or when the next one begins; one that does not begin fails, with its words."""
    beside = [
        Console(ROOT / "x", 1, (), (f"sh -c 'echo $$ > {name}; echo here; exec sleep 60'",), "", goes_on=True)
        for name in ("a", "b")
    ]
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    ended = "\nif kill -0 $(cat a) 2> /dev/null; then exit 4; fi\nkill -0 $(cat b)\n"
    assert typed(PRELUDE + beside[0].script + beside[1].script + ended, tmp_path, environ) == (
        0,
        "x:1\nx:1\n",
    )
    assert not os.path.exists(f"/proc/{(tmp_path / 'b').read_text().strip()}")
    bad = Console(ROOT / "x", 1, (), ("sh -c 'sleep 0.1; exit 3'",), "", goes_on=True)
    assert typed(PRELUDE + bad.script, tmp_path, environ)[0] == 1


def test_consoles_are_found() -> None:
    """The collector has not gone blind: most blocks of the how-tos are run."""
    assert len(PAGES) >= 4
    assert sum(1 for each in ALL if not each.not_run) >= 8
