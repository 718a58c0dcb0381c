"""Each error has one line and one exit code; a traceback is for who asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import reference_text

from lattice_addons.cli import _commands, main
from lattice_addons.cli._status import DEFECT, INTERRUPTED, MEANINGS
from lattice_addons.errors import LatticeError

if TYPE_CHECKING:
    import argparse
    from pathlib import Path


class Failing:
    """A command that fails as it is told."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        """Declare nothing."""

    def run(self, options: argparse.Namespace) -> int:
        """Fail."""
        del options
        raise self.error


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch) -> object:
    """Give what makes `lattice list` fail."""

    def failing(error: BaseException) -> None:
        monkeypatch.setattr(_commands.Command, "room", lambda _: Failing(error))

    return failing


@pytest.mark.parametrize("error", reference_text.error_classes(), ids=lambda error: error.__name__)
def test_every_error_ends_with_its_code(
    error: type[LatticeError], fail: object, capsys: pytest.CaptureFixture[str]
) -> None:
    """The class says it, the table explains it, and the command ends with it."""
    assert error.exit_code in MEANINGS
    fail(error("what, where, and what to do"))  # type: ignore[operator]
    assert main(["list"]) == error.exit_code
    told = capsys.readouterr()
    assert told.err == "lattice list: what, where, and what to do\n"
    assert told.out == ""


def test_a_defect_is_one_line_too(fail: object, capsys: pytest.CaptureFixture[str]) -> None:
    """With its kind, and how to see more."""
    fail(RuntimeError("of ours"))  # type: ignore[operator]
    assert main(["list"]) == DEFECT
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "RuntimeError: of ours" in told
    assert "--debug" in told
    assert "Traceback" not in told


@pytest.mark.parametrize("words", [["--debug", "list"], ["list", "--debug"]])
@pytest.mark.parametrize("error", [RuntimeError("of ours"), LatticeError("of ours")])
def test_debug_shows_the_traceback(
    words: list[str], error: Exception, fail: object, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before or behind the command, of a defect and of an error of ours; the status is the same."""
    fail(error)  # type: ignore[operator]
    assert main(words) == 70
    told = capsys.readouterr().err
    assert "Traceback (most recent call last)" in told
    assert "in run" in told
    assert told.splitlines()[-1].startswith("lattice list: ")


def test_ctrl_c_is_quiet(fail: object, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody needs to be told what he has done."""
    fail(KeyboardInterrupt())  # type: ignore[operator]
    assert main(["list"]) == INTERRUPTED
    assert capsys.readouterr().err == ""


def test_a_file_that_cannot_be_read_is_named(fail: object, capsys: pytest.CaptureFixture[str]) -> None:
    """An error of the system that names a file is not taken for a full disk behind stdout."""
    fail(PermissionError(13, "Permission denied", "secret.key"))  # type: ignore[operator]
    assert main(["list"]) == 74
    assert capsys.readouterr().err == "lattice list: secret.key: Permission denied\n"


def test_the_table_has_no_code_that_nothing_gives() -> None:
    """Beside the errors' there are a command's own."""
    given = {error.exit_code for error in reference_text.error_classes()}
    assert set(MEANINGS) - given == {0, 1, 2, 130}


def test_overview_without_a_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`lattice` alone, where nothing is yet, says how to begin, and makes nothing."""
    monkeypatch.chdir(tmp_path)
    assert main([]) == 0
    told = capsys.readouterr().out
    assert "no checkpoints" in told
    assert "lattice demo" in told
    assert list(tmp_path.iterdir()) == []
