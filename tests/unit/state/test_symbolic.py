"""A variable is kept by its name, through the group and alone, in every way that Python runs a program."""

from __future__ import annotations

import os
import py_compile
import subprocess
import sys
import textwrap
import threading
import zipapp
from typing import TYPE_CHECKING

import pytest

from lattice_addons.errors import UnknownVariableError
from lattice_addons.state import NoValue, StateManagerGroup, StateSymbolicManager
from lattice_addons.testing import ManagerContract
from tests.program import Program, clean_environ, finish

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Start = Callable[..., StateManagerGroup]

# What each way of running a program must print: the variable's value after it has changed.
PROGRAM = """
from lattice_addons.state import StateSymbolicManager

def train():
    step = 1
    local.hold(
        value=step,
    )
    step = 2

shared, local = StateSymbolicManager(), StateSymbolicManager()
loss = 0.1
shared.hold(loss)
loss = 0.2
train()
print(shared.value(), local.value())
"""


class TestStateSymbolicManager(ManagerContract):
    """The manager of variables."""

    kind = StateSymbolicManager

    def given(self, number: int) -> object:
        """Give a number, which the contract has in a variable."""
        return number

    def test_it_follows_the_variable(self) -> None:
        """The value is the one that the variable has now."""
        manager, loss = StateSymbolicManager(), 0.1
        manager.hold(loss)
        loss = 0.2
        assert manager.value() == manager.capture() == 0.2
        loss = 0.3
        assert manager.value() == 0.3

    def test_the_last_update_counts(self) -> None:
        """Another variable takes the place of the one before."""
        manager, loss, rate = StateSymbolicManager(), 0.1, 5
        manager.hold(loss)
        manager.hold(rate)
        loss, rate = 0.2, 6
        assert manager.value() == 6
        assert loss == 0.2

    def test_a_stored_value_stays_until_the_next_update(self) -> None:
        """What comes back is the value, whatever the variable has, until the program names it again."""
        manager, loss = StateSymbolicManager(), 0.1
        manager.hold(loss)
        manager.restore(0.9)
        loss = 0.2
        assert manager.value() == 0.9
        manager.hold(loss)
        loss = 0.3
        assert manager.value() == 0.3

    def test_what_is_no_variable_is_refused_and_the_one_before_stays(self) -> None:
        """A refusal names the manager to use instead, and changes nothing."""
        manager, losses, loss = StateSymbolicManager(), [0.5], 0.1
        manager.hold(loss)
        with pytest.raises(UnknownVariableError, match=r"StateClosureManager .* `lambda: losses\[0\]`"):
            manager.hold(losses[0])
        loss = 0.2
        assert manager.value() == 0.2

    def test_none_is_a_value(self) -> None:
        """A variable that is None is not a manager without a value."""
        manager, nothing = StateSymbolicManager(), None
        with pytest.raises(NoValue):
            manager.value()
        manager.hold(nothing)
        assert manager.value() is None


def test_a_group_follows_variables_from_start_to_start(start: Start) -> None:
    """The group saves the value the variable has at the save, and gives it back until the next update."""
    group = start()
    group.register("loss", StateSymbolicManager)
    group.register("rate", StateSymbolicManager)
    loss, rate = 0.1, 5
    group.update("loss", loss)
    group.update(value=rate, key="rate")
    loss, rate = 0.2, 6
    assert (group.get("loss"), group.get("rate")) == (0.2, 6)
    group.save()
    loss = 0.3

    group = start()
    group.register("loss", StateSymbolicManager)
    group.register("rate", StateSymbolicManager)
    assert (group.get("loss"), group.get("rate")) == (0.2, 6)
    group.update("loss", loss)
    loss = 0.4
    assert group.get("loss") == 0.4


def test_a_group_sees_the_variable_of_the_call_that_has_returned(start: Start) -> None:
    """A function's variable is saved with the last value that it had."""
    group = start()
    group.register("loss", StateSymbolicManager)

    def train(depth: int) -> None:
        loss = depth
        group.update("loss", loss)
        if depth < 3:
            train(depth + 1)
        loss += 100

    train(0)
    group.save()
    group = start()
    group.register("loss", StateSymbolicManager)
    assert group.get("loss") == 103


def test_a_group_refuses_what_is_no_variable(start: Start) -> None:
    """The refusal reaches the program, and the slot stays as it was."""
    group = start()
    group.register("loss", StateSymbolicManager)
    losses = {"train": 0.1}
    with pytest.raises(UnknownVariableError, match="StateClosureManager"):
        group.update("loss", losses["train"])
    assert group.get("loss") is None


def test_a_saving_thread_sees_what_the_main_thread_has(start: Start) -> None:
    """A save from another thread has a running function's variable as it is then."""
    group = start()
    group.register("loss", StateSymbolicManager)
    loss = 0.1
    group.update("loss", loss)
    loss = 0.2
    saver = threading.Thread(target=group.save)
    saver.start()
    saver.join()
    assert loss == 0.2
    group = start()
    group.register("loss", StateSymbolicManager)
    assert group.get("loss") == 0.2


@pytest.mark.parametrize("options", [("-OO",), ("-X", "no_debug_ranges")])
@pytest.mark.skipif(os.name != "posix", reason="runs programs as a shell does")
def test_programs_under_options_of_python(tmp_path: Path, options: tuple[str, ...]) -> None:
    """Optimization and code without positions change nothing."""
    if sys.version_info < (3, 11) and "no_debug_ranges" in options:
        pytest.skip("this option came with Python 3.11")
    ended = Program(tmp_path, PROGRAM).run(python=options)
    assert (ended.stdout, ended.stderr) == ("0.2 2\n", "")


def test_a_program_given_as_text_or_on_standard_input() -> None:
    """Where the interpreter has no source at hand, the bytecode suffices."""
    for arguments, text in ((["-c", PROGRAM], ""), (["-"], PROGRAM)):
        process = subprocess.run(
            [sys.executable, *arguments],
            input=text,
            capture_output=True,
            text=True,
            env=clean_environ(),
            timeout=150,
            check=False,
        )
        assert (process.stdout, process.stderr) == ("0.2 2\n", "")


def test_a_program_that_is_bytecode_alone(tmp_path: Path) -> None:
    """A pyc file without its source is a program like any other."""
    program = Program(tmp_path, PROGRAM)
    py_compile.compile(str(program.path), cfile=str(tmp_path / "only.pyc"))
    program.path.unlink()
    program.path = tmp_path / "only.pyc"
    ended = program.run()
    assert (ended.stdout, ended.stderr) == ("0.2 2\n", "")


def test_a_program_in_an_archive(tmp_path: Path) -> None:
    """A module that is imported from a zip archive is found out in the same way."""
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "work.py").write_text(PROGRAM)
    (folder / "__main__.py").write_text("import work\n")
    zipapp.create_archive(folder, tmp_path / "work.pyz")
    program = Program(tmp_path, "")
    program.path = tmp_path / "work.pyz"
    ended = program.run()
    assert (ended.stdout, ended.stderr) == ("0.2 2\n", "")


def test_a_source_that_was_edited_meanwhile_is_not_believed(tmp_path: Path) -> None:
    """What stands in the file now does not matter: the bytecode runs, and is what is read."""
    edited = textwrap.dedent("""
        import pathlib
        text = pathlib.Path(__file__).read_text()
        pathlib.Path(__file__).write_text(text.replace("loss", "gain"))
    """)
    program = Program(tmp_path, edited + PROGRAM)
    assert program.run().stdout == "0.2 2\n"
    assert "shared.hold(gain)" in program.path.read_text()


def test_cells_of_a_notebook(tmp_path: Path) -> None:
    """Cells run one after the other in one namespace, with and without awaiting at their top."""
    pytest.importorskip("IPython")
    program = Program(
        tmp_path,
        """
        from IPython.core.interactiveshell import InteractiveShell
        shell = InteractiveShell.instance()
        cells = [
            "from lattice_addons.state import StateSymbolicManager; manager = StateSymbolicManager()",
            "loss = 0.1\\nmanager.hold(loss)\\nloss = 0.2",
            "print(manager.value())",
            "loss = 0.3",
            "print(manager.value())",
            "import asyncio\\nawait asyncio.sleep(0)\\nmanager.hold(loss)\\nloss = 0.4",
            "print(manager.value())",
            "_ = [manager.hold(x) for x in [5, 6]]",
            "print(manager.value())",
        ]
        for cell in cells:
            shell.run_cell(cell).raise_error()
        """,
    )
    ended = finish(program.start(environ={"IPYTHONDIR": str(tmp_path / "ipython")}))
    assert ended.stdout.split() == ["0.2", "0.3", "0.4", "6"], ended.stderr


def test_a_manager_alone_follows_the_variable(tmp_path: Path) -> None:
    """The manager's own update is one more way into the package."""
    program = Program(
        tmp_path,
        """
        from lattice_addons import StateSymbolicManager
        manager = StateSymbolicManager(uid="x")
        before = manager.get()
        loss = (before or 0) + 1
        manager.update(loss)
        loss += 10
        manager.save()
        print(before, manager.get())
        """,
    )
    assert program.run().stdout == "None 11\n"
    assert program.run().stdout == "11 22\n"
