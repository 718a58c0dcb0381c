"""Slots of a group: named, registered, updated, and there again in the next session."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

import pytest

from lattice_addons import Settings, StateManager, StateManagerGroup
from lattice_addons.errors import (
    DuplicateSlotError,
    FileStateError,
    NotAManagerError,
    SlotNameError,
    UnknownSlotError,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Start = Callable[..., StateManagerGroup]


def test_a_value_is_there_in_the_next_session(start: Start) -> None:
    """What was saved under a key is what the next session gets under it."""
    group = start()
    group.register("loss")
    group.update("loss", 0.25)
    group.save()

    group = start()
    group.register("loss")

    assert group.get("loss") == 0.25


def test_a_slot_without_a_value_gives_none(start: Start) -> None:
    """A slot that was never updated and never stored has no value."""
    group = start()
    group.register("loss")

    assert group.get("loss") is None
    assert group.save() is None


def test_get_without_a_key_means_the_only_slot(start: Start) -> None:
    """With one slot the key can be left out; with two, the error lists both."""
    group = start()
    group.register("a")
    group.update("a", 1)

    assert group.get() == 1

    group.register("b")
    with pytest.raises(UnknownSlotError, match="'a', 'b'"):
        group.get()


def test_registering_twice_is_an_error(start: Start) -> None:
    """A key can be registered once, and the error is a KeyError."""
    group = start()
    group.register("a")

    with pytest.raises(DuplicateSlotError, match="'a'") as caught:
        group.register("a")

    assert isinstance(caught.value, KeyError)


@pytest.mark.parametrize("wrong", [3, "StateManager", StateManager(), dict, dict.fromkeys(range(10**5))])
def test_what_is_no_manager_class_is_refused(start: Start, wrong: object) -> None:
    """The error is a TypeError that lists the managers."""
    with pytest.raises(NotAManagerError, match=r"StateClosureManager.*StateManager") as caught:
        start().register("a", wrong)  # type: ignore[arg-type]

    assert isinstance(caught.value, TypeError)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    "wrong", [3, None, b"a", "", "a/b", "a\\b", "..", "../x", ".hidden", "a\0b", "x" * 300, "*"]
)
def test_a_name_that_no_slot_can_have_is_refused(start: Start, wrong: object) -> None:
    """The error shows the name, and nothing is registered."""
    group = start()

    with pytest.raises(SlotNameError, match=r"cannot name a slot: .* Use a name such as 'loss'"):
        group.register(wrong)  # type: ignore[arg-type]

    assert group.list() == []


def test_an_unknown_key_is_an_error_that_lists_the_known_ones(start: Start) -> None:
    """Updating, getting or deleting what is not there is a KeyError."""
    group = start()
    group.register("known")

    for call in (
        lambda: group.update("unknown", 1),
        lambda: group.get("unknown"),
        lambda: group.delete("unknown"),
    ):
        with pytest.raises(UnknownSlotError, match="'known'") as caught:
            call()
        assert isinstance(caught.value, KeyError)


def test_the_group_is_a_collection_of_names(start: Start) -> None:
    """list, contain, in, len and iteration agree."""
    group = start()
    for key in ("b", "a"):
        group.register(key)

    assert group.list() == list(group) == ["b", "a"]
    assert len(group) == 2
    assert group.contain("a")
    assert "b" in group
    assert "c" not in group
    assert 3 not in group


def test_keygen_makes_names_that_are_free(start: Start) -> None:
    """TypeName.n, counted up past registered and stored slots."""
    group = start()
    group.register(group.keygen({}))
    group.update("dict.1", 1)
    group.save()

    group = start()

    assert group.keygen({}) == "dict.2"
    assert group.keygen(0.5) == "float.1"


def test_delete_forgets_here_and_leaves_the_store(start: Start) -> None:
    """A deleted slot is gone from the process; what is stored goes into later checkpoints, and is found again."""
    group = start()
    for key in "ab":
        group.register(key)
        group.update(key, 1)
    group.save()
    group.update("a", 2)
    group.delete("a")
    group.save()

    assert "a" not in group
    group.register("a")
    assert group.get("a") == 1

    group = start()
    group.register("a")
    assert group.get("a") == 1


def test_a_value_that_is_being_written_when_its_slot_is_deleted_is_not_lost(start: Start) -> None:
    """The next checkpoint has it, and not the one before."""
    group = start()
    group.register("a")
    group.update("a", 1)
    group.async_save()
    group.update("a", 2)
    written = group.async_save()
    group.delete("a")
    written.result(timeout=150)
    group.save()

    group = start()
    group.register("a")
    assert group.get("a") == 2


def test_delete_star_forgets_every_slot(start: Start) -> None:
    """After delete('*') there are no slots."""
    group = start()
    for key in "abc":
        group.register(key)

    group.delete("*")

    assert group.list() == []


def test_unregistered_and_untouched_slots_are_carried_forward(start: Start) -> None:
    """A session that registers one slot and asks for none loses none of the others."""
    group = start()
    for key in "abc":
        group.register(key)
        group.update(key, key * 70_000)
    first = group.save()

    group = start()
    group.register("a")
    group.update("a", 1)
    group.register("b")
    second = group.save()

    assert first is not None
    assert second is not None
    assert second.slots["b"] == first.slots["b"]
    assert second.slots["c"] == first.slots["c"]
    assert second.slots["a"] != first.slots["a"]


def test_auto_load_false_hides_the_stored_value_but_does_not_lose_it(start: Start) -> None:
    """The slot begins empty, the next checkpoint still has the old value, and load shows it."""
    group = start()
    group.register("a")
    group.update("a", 1)
    group.save()

    group = start()
    group.register("a", auto_load=False)
    assert group.get("a") is None
    group.save()
    group.load()
    assert group.get("a") == 1


def test_status_says_what_would_be_saved_how(start: Start) -> None:
    """Plain data as json, a lock not at all, and why."""
    group = start()
    group.register("plain")
    group.register("lock")
    group.register("empty")
    group.update("plain", [1])
    group.update("lock", threading.Lock())

    status = group.status()

    told = {slot.name: slot for slot in status.slots}
    assert status.job == "job"
    assert told["plain"].encoding == "json"
    assert "lock" in told["lock"].problem
    assert told["empty"].value == "none"
    assert any("lock" in problem for problem in status.problems)
    assert "plain" in str(status)


def test_a_second_group_of_the_same_job_is_told_who_has_it(start: Start, tmp_path: Path) -> None:
    """One writer: the error gives host and pid, and what to set."""
    start()

    with pytest.raises(OSError, match="LATTICE_JOB_ID"):
        StateManagerGroup(Settings(root=str(tmp_path / "store"), job_id="job", signals=()))


def test_a_value_that_is_refused_leaves_the_one_before(start: Start) -> None:
    """Whatever is none of the default manager's: the slot has what it had, here and in the store."""
    group = start()
    group.register("a")
    group.update("a", 5)
    with pytest.raises(FileStateError):
        group.update("a", sys.__stdout__)
    assert group.get("a") == 5
    group.save()
    with pytest.raises(FileStateError):
        group.update("a", sys.__stdout__)
    group.update("a", 6)
    group.save()
    group = start()
    group.register("a")
    with pytest.raises(FileStateError):
        group.update("a", sys.__stdout__)
    assert group.get("a") == 6


def test_status_while_slots_are_registered(start: Start) -> None:
    """What watches a program from another thread is in nobody's way, and nobody in its."""
    group = start()
    names = [f"a.{number}" for number in range(300)]
    for name in names:
        group.register(name)
        group.update(name, 1)
    group.save()
    group = start()
    errors: list[BaseException] = []
    done = threading.Event()

    def watch() -> None:
        try:
            while not done.is_set():
                group.status()
        except BaseException as error:  # noqa: BLE001 - it is the test's to tell
            errors.append(error)

    watcher = threading.Thread(target=watch)
    switching = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        watcher.start()
        for name in names:
            group.register(name)
    finally:
        sys.setswitchinterval(switching)
        done.set()
        watcher.join(60)
    assert not errors
