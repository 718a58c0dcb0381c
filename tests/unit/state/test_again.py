"""A cell that is run again finds the group and the slots of its first run; a program is told of its mistake."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from lattice_addons import Settings, StateCopyManager, StateManager, StateManagerGroup
from lattice_addons.errors import DuplicateSlotError, LeaseHeldError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MAKE = "group = StateManagerGroup(Settings(root=root, job_id='job'))"


@pytest.fixture
def cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], dict[str, Any]]]:
    """Run cells in one notebook."""
    monkeypatch.setattr(sys, "ps1", "In : ", raising=False)
    names: dict[str, Any] = {"__name__": "__main__", "root": str(tmp_path), "Settings": Settings}
    names |= {each.__name__: each for each in (StateManagerGroup, StateManager, StateCopyManager)}

    def run(code: str) -> dict[str, Any]:
        exec(code, names)  # noqa: S102 - as a notebook does
        return names

    yield run
    if "group" in names:
        names["group"].close()


def test_the_same_group_and_the_same_slot(cell: Callable[[str], dict[str, Any]]) -> None:
    """With what is in them."""
    names = cell(MAKE)
    first = names["group"]
    for _ in range(2):
        names = cell(
            MAKE + "\ngroup.register('a'); a = group.get('a') or []; a.append(1); group.update('a', a)"
        )
    assert names["group"] is first
    assert names["a"] == [1, 1]


def test_another_manager_takes_the_place(cell: Callable[[str], dict[str, Any]]) -> None:
    """With what is stored; also where the rule for ranks was edited."""
    cell(MAKE + "\ngroup.register('a'); group.update('a', [1]); group.save()")
    names = cell("group.register('a', StateCopyManager); a = group.get('a')")
    assert names["a"] == [1]
    assert names["group"].status().slots[0].manager == "StateCopyManager"
    names = cell("group.register('a', StateCopyManager, ranks='replicated'); a = group.get('a')")
    assert names["a"] == [1]


def test_edited_settings(cell: Callable[[str], dict[str, Any]], caplog: pytest.LogCaptureFixture) -> None:
    """The group before is saved and closed, so that nothing of it is lost and nobody is refused."""
    first = cell(MAKE + "\ngroup.register('a'); group.update('a', 1)")["group"]
    names = cell(MAKE.replace("'job'", "'job', keep=7") + "\ngroup.register('a')")
    assert names["group"] is not first
    assert names["group"].get("a") == 1
    assert "saved and closed" in caplog.text
    assert first.status().problems == ("nothing is saved: closed",)
    other = cell("other = StateManagerGroup(Settings(root=root, job_id='other'))")["other"]
    assert other is not names["group"]
    assert names["group"].status().problems == ()
    other.close()


def test_a_value_that_cannot_be_stored_is_no_obstacle(
    cell: Callable[[str], dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    """It is named, and the new group is there."""
    cell(MAKE + "\ngroup.register('a'); group.update('a', (i for i in [1]))")
    names = cell(MAKE.replace("'job'", "'job', keep=7"))
    assert names["group"].status().problems == ()
    assert "generator" in caplog.text


def test_programs_are_told(
    cell: Callable[[str], dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a module, or in what is run without anybody who types, twice is a mistake."""
    group = cell(MAKE + "\ngroup.register('a')")["group"]
    with pytest.raises(DuplicateSlotError):
        group.register("a")
    with pytest.raises(LeaseHeldError):
        StateManagerGroup(Settings(root=str(tmp_path), job_id="job"))
    monkeypatch.delattr(sys, "ps1")
    with pytest.raises(DuplicateSlotError):
        cell("group.register('a')")
