"""Stored values are read into arrays that the program has."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lattice_addons import (
    Settings,
    StateCopyManager,
    StateManager,
    StateManagerGroup,
    StateRefManager,
    StateSymbolicManager,
)
from lattice_addons.checkpoint import Line
from lattice_addons.errors import DamagedError, DecodeError, UnknownSlotError
from lattice_addons.storage import LocalStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Start = Callable[..., StateManagerGroup]

SIZE = 300_000


def numbers(seed: int) -> np.ndarray[Any, Any]:
    """Make an array that is large enough to be a file's pages."""
    return np.random.default_rng(seed).random(SIZE, dtype="f4")


def saved(start: Start, **values: object) -> StateManagerGroup:
    """Save slots of these values, and give the next session, in which they are registered."""
    group = start()
    for key, value in values.items():
        group.register(key)
        group.update(key, value)
    group.save()
    group = start()
    for key in values:
        group.register(key)
    return group


def flip(tmp_path: Path, *values: np.ndarray[Any, Any]) -> None:
    """Damage the stored bytes of these values."""
    for pack in tmp_path.rglob("*.pack"):
        data = bytearray(pack.read_bytes())
        for value in values:
            at = data.find(value.tobytes())
            if at >= 0:
                data[at + 4000] ^= 1
        pack.write_bytes(data)


def test_get_fills_an_array_and_the_slot_holds_it(start: Start) -> None:
    """What the program changes in it afterwards is saved, as after any get."""
    group = saved(start, weights=numbers(1))
    target = np.zeros(SIZE, "f4")

    assert group.get("weights", into=target) is target
    assert np.array_equal(target, numbers(1))
    assert group.get("weights") is target

    target[0] = -1
    group.save()
    group = start()
    group.register("weights")
    assert group.get("weights")[0] == -1


def test_get_without_a_key_fills_the_only_slot(start: Start) -> None:
    """As it gives its value."""
    group = saved(start, weights=numbers(1))
    assert np.array_equal(group.get(into=np.zeros(SIZE, "f4")), numbers(1))


def test_nothing_stored_leaves_the_array(start: Start) -> None:
    """The first run of a program has nothing to restore."""
    group = start()
    group.register("weights")
    target = numbers(5)
    assert group.get("weights", into=target) is None
    assert group.restore(into={"weights": target}) == {}
    assert np.array_equal(target, numbers(5))
    with pytest.raises(UnknownSlotError):
        group.get("other", into=target)


def test_many_slots_are_filled_at_once(start: Start) -> None:
    """Those that have a value are given; others and their arrays stay."""
    values = {f"{number}": numbers(number) for number in range(9)}
    group = saved(start, **values)
    group.register("new")
    targets = {name: np.zeros_like(value) for name, value in values.items()} | {"new": numbers(0)}

    filled = group.restore(into=targets)

    assert filled.keys() == values.keys()
    assert all(filled[name] is targets[name] for name in values)
    assert all(np.array_equal(targets[name], values[name]) for name in values)
    assert all(group.get(name) is targets[name] for name in values)


def test_other_memory_is_filled(start: Start) -> None:
    """A buffer of as many bytes; the slot holds it from then on."""
    group = saved(start, weights=numbers(1))
    target = bytearray(SIZE * 4)
    assert group.get("weights", into=target) is target
    assert target == numbers(1).tobytes()


def test_what_does_not_fit_changes_nothing(start: Start) -> None:
    """No array, however many others would fit; the stored values are there still."""
    group = saved(start, a=numbers(1), b=numbers(2), text="text", pair=(1, 2))
    good, bad = np.zeros(SIZE, "f4"), np.zeros(SIZE, "f8")

    with pytest.raises(DecodeError, match=r"slot 'b': a stored float32 array .* give one of float32"):
        group.restore(into={"a": good, "b": bad})
    for key in ("text", "pair"):
        with pytest.raises(DecodeError, match="without `into`"):
            group.get(key, into=bad)

    assert not good.any()
    assert not bad.any()
    assert np.array_equal(group.get("b"), numbers(2))
    assert group.get("pair") == (1, 2)


def test_a_value_of_the_program_is_copied(start: Start) -> None:
    """The slot goes on holding what the program gave; another kind is refused here, too."""
    group = start()
    group.register("weights")
    mine, target = numbers(1), np.zeros(SIZE, "f4")
    group.update("weights", mine)
    assert group.get("weights", into=target) is target
    assert np.array_equal(target, mine)
    assert group.get("weights") is mine
    assert group.get("weights", into=mine) is mine
    with pytest.raises(DecodeError, match="give one of"):
        group.get("weights", into=np.zeros(3))


@pytest.mark.parametrize("manager", [StateCopyManager, StateRefManager, StateSymbolicManager])
def test_every_manager_of_values_takes_the_array(start: Start, manager: type[StateManager]) -> None:
    """Each in its own way: a copy, a reference, the variable."""
    group = saved(start, weights=numbers(1))
    group.delete("weights")
    group.register("weights", manager)
    target = np.zeros(SIZE, "f4")
    assert group.get("weights", into=target) is target
    assert np.array_equal(target, numbers(1))
    assert np.array_equal(group.get("weights"), numbers(1))


def test_damage_gives_the_older_value(start: Start, tmp_path: Path) -> None:
    """As a get does; of a slot that has none, the error names it, and the other slots are filled."""
    group = start()
    for step in (1, 2):
        for key in ("a", "b") if step == 1 else ("a", "b", "late"):
            if key not in group:
                group.register(key)
            group.update(key, numbers(step + ord(key[0])))
        group.save()
    group = start()
    for key in ("a", "b", "late"):
        group.register(key)
    flip(tmp_path, numbers(2 + ord("a")), numbers(2 + ord("l")))
    targets = {key: np.zeros(SIZE, "f4") for key in ("a", "b", "late")}

    with pytest.raises(DamagedError, match="'late' is damaged in every checkpoint"):
        group.restore(into=targets)

    assert np.array_equal(targets["a"], numbers(1 + ord("a")))
    assert np.array_equal(targets["b"], numbers(2 + ord("b")))
    assert group.get("a") is targets["a"]
    with pytest.raises(DamagedError):
        group.get("late")


def test_an_older_value_of_another_kind_is_none(start: Start, tmp_path: Path) -> None:
    """It cannot go into the array, and the newest is damaged."""
    group = start()
    group.register("a")
    for value in (numbers(1).astype("f8"), numbers(2)):
        group.update("a", value)
        group.save()
    group = start()
    group.register("a")
    flip(tmp_path, numbers(2))
    with pytest.raises(DamagedError, match="every checkpoint"):
        group.get("a", into=np.zeros(SIZE, "f4"))
    assert np.array_equal(group.get("a"), numbers(1).astype("f8"))


def test_mapped_values_are_the_programs_own(start: Start, tmp_path: Path) -> None:
    """Written to, pickled and saved like any others, also when the store is gone."""
    import pickle
    import shutil

    values = {"array": numbers(1), "dict": {"one": numbers(2), "two": [numbers(3)]}}
    saved(start, **values)
    group = start(restore="map")
    for key in values:
        group.register(key)
    array, both = group.get("array"), group.get("dict")
    group.close()
    shutil.rmtree(tmp_path / "store")

    assert np.array_equal(array, numbers(1))
    assert np.array_equal(both["two"][0], numbers(3))
    array[0] = both["one"][0] = 7
    assert pickle.loads(pickle.dumps(array))[0] == 7
    group = start()
    group.register("array")
    group.update("array", array)
    group.save()
    group = start(restore="map")
    group.register("array")
    assert np.array_equal(group.get("array"), array)


@pytest.mark.parametrize("restore", ["read", "map"])
def test_damage_is_found_in_every_way(start: Start, tmp_path: Path, restore: str) -> None:
    """A flipped bit is an error, and no value."""
    saved(start, a=numbers(1))
    flip(tmp_path, numbers(1))
    group = start(restore=restore)
    group.register("a")
    with pytest.raises(DamagedError, match="'a'"):
        group.get("a")
    with pytest.raises(DamagedError, match="'a'"):
        group.get("a", into=np.zeros(SIZE, "f4"))


def test_a_manifest_that_tells_of_too_few_bytes_leaves_the_array(start: Start, tmp_path: Path) -> None:
    """As one that another tool has written may: nothing is overwritten, and nothing is said to be restored."""
    group = start()
    group.register("x")
    group.update("x", np.arange(3 << 20, dtype="u2"))
    entry = group.save().slots["x"]  # type: ignore[union-attr]
    group.close()
    line = Line(LocalStore(tmp_path / "store"), "job", settings=Settings())
    short = replace(entry, buffers=(*entry.buffers[:-1], entry.buffers[-1][:1]))
    line.commit({"x": short}, parent=1, reason="manual")
    line.release()
    group = start()
    group.register("x")
    target = np.full(3 << 20, 7, "u2")
    with pytest.raises(DecodeError, match="are stored for an array of"):
        group.restore(into={"x": target})
    assert (target == 7).all()
