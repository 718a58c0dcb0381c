"""Thousands of small values are saved at the price of those that changed, and are slots like all others."""

from __future__ import annotations

import gc
import math
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lattice_addons import StateCopyManager, StateManager, StateManagerGroup
from lattice_addons.checkpoint import _commit
from lattice_addons.errors import NotSavedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lattice_addons.checkpoint import Checkpoint

    Start = Callable[..., StateManagerGroup]

MANY = 1600


def filled(group: StateManagerGroup, count: int = MANY) -> dict[str, Any]:
    """Register many slots, and give each a small value of its own."""
    values: dict[str, Any] = {f"slot {n}": {"step": n, "loss": n / 7} for n in range(count)}
    for key, value in values.items():
        group.register(key)
        group.update(key, value)
    return values


def saved(group: StateManagerGroup) -> Checkpoint:
    """Save, and give the checkpoint."""
    checkpoint = group.save()
    assert checkpoint is not None
    return checkpoint


def found(group: StateManagerGroup, keys: Any) -> dict[str, Any]:
    """Give the values that a session has for these slots."""
    for key in keys:
        group.register(key)
    return {key: group.get(key) for key in keys}


def test_many_small_values_need_no_lines(start: Start) -> None:
    """They are in tables, and all come back."""
    group = start()
    values = filled(group)
    checkpoint = saved(group)
    assert not checkpoint.lines
    assert len(checkpoint.slots) == MANY
    assert len(checkpoint.tables) < 20
    assert found(start(), values) == values


def test_few_slots_have_lines_that_a_person_can_read(start: Start) -> None:
    """A thousand still do."""
    group = start()
    filled(group, 1000)
    checkpoint = saved(group)
    assert len(checkpoint.lines) == 1000
    assert not checkpoint.tables


def test_a_changed_slot_rewrites_one_table(start: Start) -> None:
    """By an update, or by a change in place; with nothing changed not a byte is new."""
    group = start()
    values = filled(group)
    everything = saved(group).metrics["bytes_new"]
    assert saved(group).metrics["bytes_new"] == 0
    for change in (lambda: group.update("slot 1500", [1]), lambda: values["slot 7"].update(loss=0.5)):
        change()
        one = saved(group).metrics["bytes_new"]
        assert 0 < one < everything / 2  # type: ignore[operator]
        assert saved(group).metrics["bytes_new"] == 0
    group = start()
    assert found(group, ["slot 7", "slot 1500"]) == {"slot 7": {"step": 7, "loss": 0.5}, "slot 1500": [1]}


@pytest.mark.parametrize(
    ("old", "new"), [(1, True), (1.0, 1), ([1], [1.0]), ({"a": 1, "b": 2}, {"b": 2, "a": 1}), (0.0, -0.0)]
)
def test_no_change_is_missed(start: Start, old: object, new: object) -> None:
    """Values that Python calls equal are told from each other."""
    group = start()
    filled(group)
    group.update("slot 9", old)
    saved(group)
    group.update("slot 9", new)
    saved(group)
    assert repr(found(start(), ["slot 9"])["slot 9"]) == repr(new)


def test_other_values_among_them(start: Start) -> None:
    """Each is stored as it would be alone; when it is small and plain again it goes back to its table."""
    shared = [1]
    others: dict[str, Any] = {
        "slot 1": (1, 2), "slot 2": math.inf, "slot 3": {"$x": 2**70}, "slot 4": [[1], {"a": [2]}], "slot 5": b"x",
        "slot 6": np.arange(3), "slot 7": "x" * 5000, "slot 8": list(range(5000)), "slot 9": [shared, shared],
        "slot 10": {1: 2}, "slot 11": np.float64(1), "slot 12": None,
    }  # fmt: skip
    group = start()
    values = filled(group)
    saved(group)
    for key, value in others.items():
        group.update(key, value)
    lines = saved(group).lines
    assert set(lines) == set(others) - {"slot 2", "slot 3", "slot 4", "slot 12"}
    again = found(start(), values)
    array = again.pop("slot 6")
    assert (array == np.arange(3)).all()
    assert {key: repr(value) for key, value in again.items()} == {
        key: repr(value) for key, value in (values | others).items() if key != "slot 6"
    }
    assert again["slot 9"][0] is again["slot 9"][1]
    assert type(again["slot 11"]) is np.float64

    group = start()
    values = filled(group)
    for key, value in others.items():
        group.update(key, value)
    saved(group)
    for key in others:
        group.update(key, 1)
    assert not saved(group).lines
    assert found(start(), values) == values | dict.fromkeys(others, 1)


def test_tables_that_nobody_touched_are_carried_forward(start: Start) -> None:
    """Whether their slots are registered or not; what was touched is saved with its new value."""
    group = start()
    values = filled(group)
    saved(group)
    group = start()
    assert saved(group).metrics["bytes_new"] == 0
    for key in values:
        group.register(key)
    checkpoint = saved(group)
    assert checkpoint.metrics["bytes_new"] == 0
    assert not checkpoint.lines
    group.update("slot 4", "new")
    assert group.get("slot 5") == values["slot 5"]
    saved(group)
    group = start()
    group.register("slot 6")
    group.update("slot 6", "newer")
    saved(group)
    assert found(start(), values) == values | {"slot 4": "new", "slot 6": "newer"}


def test_a_slot_that_was_deleted_keeps_its_newest_value(start: Start) -> None:
    """It is not brought back to what a table of an earlier process has."""
    group = start()
    values = filled(group)
    saved(group)
    group = start()
    group.register("slot 4")
    group.update("slot 4", "new")
    saved(group)
    group.delete("slot 4")
    saved(group)
    assert found(start(), values) == values | {"slot 4": "new"}


def test_a_value_that_cannot_be_stored_keeps_its_last_good_value(start: Start) -> None:
    """Which stands in a table, of the last save or of an earlier process."""
    group = start()
    values = filled(group)
    saved(group)
    group.update("slot 1", threading.Lock())
    with pytest.raises(NotSavedError, match="'slot 1'"):
        group.save()
    group = start()
    assert found(group, values) == values
    group.update("slot 2", threading.Lock())
    for _ in range(2):
        with pytest.raises(NotSavedError, match="'slot 2'"):
            group.save()
    assert found(start(), values) == values


def test_slots_that_are_deleted_and_registered_again(start: Start) -> None:
    """What is stored stays stored, and is found again; all can be deleted at once."""
    group = start()
    values = filled(group)
    saved(group)
    group.delete("slot 3")
    saved(group)
    group.register("slot 3")
    assert group.get("slot 3") == values["slot 3"]
    group.delete("*")
    assert len(saved(group).slots) == MANY
    assert found(group, values) == values
    saved(group)
    assert found(start(), values) == values


def test_asynchronous_saves_take_the_values_of_the_call(start: Start) -> None:
    """A change in place afterwards does not get into the checkpoint."""
    group = start()
    values = filled(group)
    future = group.async_save()
    values["slot 8"]["step"] = "changed"
    assert future.result(timeout=150) is not None
    assert found(start(), ["slot 8"])["slot 8"] == {"step": 8, "loss": 8 / 7}


def test_more_slots_of_another_manager_than_a_manifest_holds(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The manifest stays within its bounds (here narrower ones), and all values come back."""
    group = start()
    monkeypatch.setattr(_commit, "LARGEST", 2**20)
    values = {f"slot {n}": {"step": n} for n in range(4000)}
    for key, value in values.items():
        group.register(key, StateCopyManager)
        group.update(key, value)
    assert saved(group).tables
    [manifest] = (tmp_path / "store").rglob("0*.json")
    assert manifest.stat().st_size < 2**20
    assert found(start(), values) == values


def test_load_goes_back_to_what_is_stored(start: Start) -> None:
    """Also from a table, and the slots can be updated as before."""
    group = start()
    values = filled(group)
    saved(group)
    group.update("slot 1", 1)
    group.load()
    assert group.get("slot 1") == values["slot 1"]
    group.load()
    group.update("slot 2", 2)
    saved(group)
    assert found(start(), values) == values | {"slot 2": 2}


def test_updates_make_nothing_for_the_collector(start: Start) -> None:
    """However many there are, the number of objects that it would walk is the same."""
    group = start()
    filled(group, 10)
    gc.collect()
    gc.disable()
    try:
        before = gc.get_count()[0]
        for n in range(10_000):
            group.update("slot 1", n)
        assert gc.get_count()[0] - before < 50
    finally:
        gc.enable()


def test_an_update_hands_a_file_to_its_manager_and_back(start: Start, tmp_path: Path) -> None:
    """The quick way of plain values does not take a file for one."""
    group = start()
    group.register("a")
    group.update("a", 1)
    with (tmp_path / "log").open("w") as file:
        group.update("a", file)
        file.write("text")
        assert group.save() is not None
        group.update("a", "plain again")
    assert group.get("a") == "plain again"
    saved(group)
    assert found(start(), ["a"]) == {"a": "plain again"}


class Doubling(StateManager):
    """A manager of the program's own, which the quick way must not go around."""

    def hold(self, value: Any) -> None:
        """Hold twice the value."""
        super().hold(2 * value)


def test_a_manager_of_ones_own_takes_hold_itself(start: Start) -> None:
    """At every update."""
    group = start()
    group.register("a", Doubling)
    for n in range(3):
        group.update("a", n)
        assert group.get("a") == 2 * n


def test_a_slot_that_is_registered_while_its_deletion_is_learned_stands_once(start: Start) -> None:
    """The thread that writes may note a stored value of it for nobody, though somebody has it again."""
    group = start()
    for n in range(1500):
        group.register(f"slot{n}")
        group.update(f"slot{n}", n)
    group.save()
    session = group._session
    session.unclaimed["slot7"] = session.stored.newest.slots  # type: ignore[union-attr]
    group.update("slot7", "new")
    group.save()
    group = start()
    group.register("slot7")
    assert group.get("slot7") == "new"
