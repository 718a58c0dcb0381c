"""A manager with a uid stands alone: saved at the end of the program, found again by its class and uid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lattice_addons import StateClosureManager, StateManager
from lattice_addons.errors import SlotError, SlotNameError
from lattice_addons.state._alone import _line
from tests.program import Program

if TYPE_CHECKING:
    from pathlib import Path


def test_class_and_uid_name_one_object() -> None:
    """The same class and uid give the same manager, another class or uid another one."""
    assert StateManager(uid="a") is StateManager(uid="a")
    assert StateManager(uid="a") is not StateManager(uid="b")
    assert StateManager(uid="a") is not StateClosureManager(uid="a")
    assert isinstance(StateClosureManager(uid="a"), StateClosureManager)


def test_a_value_is_held_and_forgotten() -> None:
    """Update, get and delete are those of a slot."""
    manager = StateClosureManager(uid="held")
    assert manager.get() is None
    manager.update(lambda: 3)
    assert manager.get() == 3
    manager.delete()
    assert manager.get() is None


def test_a_managers_own_methods_need_a_uid() -> None:
    """The manager of a slot belongs to its group; the error says so."""
    with pytest.raises(SlotError, match="uid"):
        StateManager().update(1)


def test_a_uid_is_a_slots_name() -> None:
    """What could be taken for a path is refused."""
    with pytest.raises(SlotNameError):
        StateManager(uid="../x")


def test_uids_that_differ_have_lines_that_differ() -> None:
    """Also where a folder's name cannot show the difference; a plain one stays readable."""
    uids = ["a b", "a-b", "ä", "ö", "-", "x" * 255, "x" * 254]
    names = {_line("job", StateManager, uid) for uid in uids}

    assert len(names) == len(uids)
    assert "job.StateManager.a-b" in names
    assert max(map(len, names)) <= 200


def test_each_keeps_its_own_line_of_checkpoints(tmp_path: Path) -> None:
    """They are saved at exit and by save(), found after the restart, and do not see each other."""
    program = Program(
        tmp_path,
        """
        from lattice_addons import StateManager, StateSymbolicManager
        first, second = StateManager(uid='x'), StateSymbolicManager(uid='x')
        print(first.get(), second.get())
        loss = 1
        second.update(loss)
        first.update({'n': 1})
        first.save()
        first.update({'n': 2})
        loss = 7
        print(second.get())
        first.load()
        print(first.get())
        first.update({'n': 3})
        """,
    )

    assert program.run().stdout.split("\n") == ["None None", "7", "{'n': 1}", ""]
    ended = program.run()
    assert ended.stdout.split("\n")[0] == "{'n': 3} 7", ended.stderr
    assert sorted(folder.name for folder in program.root.iterdir() if folder.is_dir()) == [
        "program.StateManager.x",
        "program.StateSymbolicManager.x",
    ]
