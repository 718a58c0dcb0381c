"""Every command has its help, an example and the same words; nothing of it is imported before it is used."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import lattice_addons.cli
from lattice_addons.cli import build_parser, main
from lattice_addons.cli._commands import COMMANDS
from tests.program import clean_environ

if TYPE_CHECKING:
    import argparse

FOLDER = Path(lattice_addons.cli.__file__).parent
# They change something, or run something: what they say of it is for the person who asked for it.
NOT_READING = {"run", "serve", "ui", "completion"}
HEAVY = (
    "lattice_addons.checkpoint",
    "lattice_addons.storage",
    "rich",
    "fsspec",
    "orjson",
    "pydantic",
    "starlette",
)


def below(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """Give the commands that a parser has, or itself."""
    choices = [action.choices for action in parser._actions if isinstance(action.choices, dict)]
    return [each for some in choices for each in some.values()] or [parser]


def test_each_command_is_one_file() -> None:
    """A file with a command is in the table, and what is in the table has a file."""
    files = {
        path.stem.removeprefix("_")
        for path in FOLDER.glob("_*.py")
        if "\ndef add_arguments(" in path.read_text(encoding="utf-8")
    }
    assert files == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It begins with what the command is for, and ends with a line to copy, and what that does."""
    command = COMMANDS[name]
    assert f"lattice {name}" in command.example
    assert command.help[0].islower()
    assert not command.help.endswith(".")
    assert command.shows
    with pytest.raises(SystemExit) as end:
        main([name, "--help"])
    assert end.value.code == 0
    told = capsys.readouterr().out
    assert command.epilog in told
    assert " ".join(command.help.split()) in " ".join(told.split())


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - NOT_READING))
def test_answers_are_given_in_json(name: str) -> None:
    """Whatever tells something takes --json, said in the same words."""
    (subparsers,) = (
        action.choices for action in build_parser([name])._actions if isinstance(action.choices, dict)
    )
    for parser in below(subparsers[name]):
        found = [action for action in parser._actions if "--json" in action.option_strings]
        assert [action.help for action in found] == ["answer in JSON, for programs"], parser.prog


def test_roots_are_named_alike() -> None:
    """One word for the store, wherever it is asked for as everywhere."""
    (subparsers,) = (action.choices for action in build_parser()._actions if isinstance(action.choices, dict))
    for name, parser in subparsers.items():
        for action in parser._actions:
            if action.dest == "job" and not action.option_strings:
                assert (action.metavar or "").startswith("JOB"), name
            if action.dest == "rank":
                assert action.metavar == "R", name


def test_help_imports_no_command() -> None:
    """Who asks for help, or mistypes a command, waits for argparse and no more."""
    code = (
        "import sys\nfrom lattice_addons.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "import json; sys.stderr.write(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=clean_environ(), check=True
    )
    loaded = json.loads(done.stderr)
    assert not [name for name in loaded if name.startswith(HEAVY)]
    assert not [name for name in loaded if name in {f"lattice_addons.cli._{command}" for command in COMMANDS}]
    assert "lattice COMMAND --help" in done.stdout


def test_a_wrong_number_of_seconds_is_told_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    """And not by the name of what reads it."""
    with pytest.raises(SystemExit):
        main(["top", "--every", "soon"])
    assert "'soon' is no number of seconds, such as 0.5" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["lst"], ["list", "--rot", "x"], ["show", "a", "b", "c"]])
def test_a_wrong_command_line_ends_with_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """It is told what it could be."""
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    assert "usage: lattice" in capsys.readouterr().err
