"""Slots of a group: registered, updated, saved, and there again in the next session."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import pytest

from lattice_addons import (
    PicklableDict,
    Settings,
    StateClosureManager,
    StateCopyManager,
    StateDictManager,
    StateManager,
    StateManagerGroup,
    StateRefManager,
    StateSymbolicManager,
)
from lattice_addons.errors import (
    DuplicateSlotError,
    NotAManagerError,
    NotSavedError,
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


@pytest.mark.parametrize("wrong", [3, "StateManager", StateManager(), dict])
def test_what_is_no_manager_class_is_refused(start: Start, wrong: object) -> None:
    """The error is a TypeError that lists the managers."""
    with pytest.raises(NotAManagerError, match=r"StateClosureManager.*StateManager") as caught:
        start().register("a", wrong)  # type: ignore[arg-type]

    assert isinstance(caught.value, TypeError)


@pytest.mark.parametrize(
    "wrong", [3, None, b"a", "", "a/b", "a\\b", "..", "../x", ".hidden", "a\0b", "x" * 300, "*"]
)
def test_a_name_that_no_slot_can_have_is_refused(start: Start, wrong: object) -> None:
    """The error shows the name, and nothing is registered."""
    group = start()

    with pytest.raises(SlotNameError):
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
    """A deleted slot is gone from the process; checkpoints that have it stay, and load brings it back."""
    group = start()
    group.register("a")
    group.update("a", 1)
    group.save()
    group.delete("a")

    assert "a" not in group

    group = start()
    group.register("a")
    assert group.get("a") == 1


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


def test_a_value_that_cannot_be_stored_keeps_its_last_good_value(start: Start) -> None:
    """The others are saved, and one error names the slot."""
    group = start()
    for key in ("good", "bad"):
        group.register(key)
        group.update(key, 1)
    group.save()
    group.update("good", 2)
    group.update("bad", threading.Lock())

    with pytest.raises(NotSavedError, match="'bad'") as caught:
        group.save()

    assert list(caught.value.failures) == ["bad"]
    group = start()
    group.register("good")
    group.register("bad")
    assert group.get("good") == 2
    assert group.get("bad") == 1


def test_a_slot_whose_first_value_cannot_be_stored_is_left_out(start: Start) -> None:
    """Nothing good was ever known, so the checkpoint has the others only."""
    group = start()
    for key, value in (("good", 1), ("bad", threading.Lock())):
        group.register(key)
        group.update(key, value)

    with pytest.raises(NotSavedError):
        group.save()

    group = start()
    group.register("bad")
    group.register("good")
    assert group.get("bad") is None
    assert group.get("good") == 1


def test_load_goes_back_to_the_newest_checkpoint(start: Start) -> None:
    """Values that were not saved are forgotten, as are slots' values that the checkpoint has not."""
    group = start()
    group.register("a")
    group.register("b")
    group.update("a", 1)
    group.save()
    group.update("a", 2)
    group.update("b", 2)

    group.load()

    assert group.get("a") == 1
    assert group.get("b") is None


def test_complete_begins_afresh_and_keeps_the_checkpoints(start: Start, tmp_path: Path) -> None:
    """After complete the next session has no values; what was stored can still be looked at."""
    group = start()
    group.register("a")
    group.update("a", 1)
    group.save()
    group.complete()

    group = start()
    group.register("a")
    assert group.get("a") is None
    assert len(list((tmp_path / "store").rglob("*.json"))) >= 2
    group.update("a", 5)
    saved = group.save()
    assert saved is not None
    assert saved.number == 3


def test_save_after_complete_opens_the_work_again(start: Start) -> None:
    """An update after complete means that there is work after all."""
    group = start()
    group.register("a")
    group.update("a", 1)
    group.complete()
    group.update("a", 2)
    group.save()

    group = start()
    group.register("a")
    assert group.get("a") == 2


def test_async_save_takes_the_value_of_the_call(start: Start) -> None:
    """The program may change its values as soon as async_save has returned."""
    value = {"n": 1, "blob": bytearray(b"x" * 100_000)}
    group = start()
    group.register("a")
    group.update("a", value)
    future = group.async_save()
    value["n"] = 2
    value["blob"][:] = b"y" * 100_000

    assert future.result(timeout=30) is not None
    group = start()
    group.register("a")
    assert group.get("a") == {"n": 1, "blob": bytearray(b"x" * 100_000)}


def test_async_saves_raise_in_their_future(start: Start) -> None:
    """A slot that cannot be stored is told by result()."""
    group = start()
    group.register("bad")
    group.update("bad", threading.Lock())

    with pytest.raises(NotSavedError):
        group.async_save().result(timeout=30)


def test_the_newest_checkpoint_is_the_newest_state(start: Start) -> None:
    """Whatever order asynchronous writes end in, the highest number has the last capture."""
    group = start(keep=100)
    group.register("n")
    futures = []
    for n in range(30):
        group.update("n", n)
        futures.append(group.async_save())
    for future in futures:
        future.result(timeout=30)

    group = start()
    group.register("n")
    assert group.get("n") == 29


def test_keep_bounds_the_number_of_checkpoints(start: Start, tmp_path: Path) -> None:
    """Ten saves with keep=3 leave three checkpoints."""
    group = start(keep=3)
    group.register("n")
    for n in range(10):
        group.update("n", n)
        group.save()

    names = sorted(path.stem for path in (tmp_path / "store").rglob("checkpoints/*.json"))

    assert [int(name) for name in names] == [8, 9, 10]


def test_eight_threads_lose_no_update_and_never_deadlock(start: Start) -> None:
    """Each thread counts its own slot up and saves now and then; the last counts are all there."""
    group = start()
    rounds = 60
    for n in range(8):
        group.register(f"t{n}")

    def work(n: int) -> None:
        for count in range(rounds):
            group.update(f"t{n}", count)
            assert group.get(f"t{n}") == count
            if count % 20 == n:
                group.save()
            if count % 20 == n + 1:
                group.async_save().result(timeout=60)

    threads = [threading.Thread(target=work, args=(n,), daemon=True) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert not any(thread.is_alive() for thread in threads)
    group.save()

    group = start()
    for n in range(8):
        group.register(f"t{n}")
        assert group.get(f"t{n}") == rounds - 1


def test_no_lock_order_between_the_programs_locks_and_ours(start: Start) -> None:
    """A closure that takes the program's lock, and updates made while holding it, do not block each other."""
    group = start()
    lock = threading.Lock()
    data: list[int] = []

    def read() -> list[int]:
        with lock:
            return list(data)

    group.register("data", StateClosureManager)
    group.register("n")
    group.update("data", read)
    done = threading.Event()

    def write() -> None:
        for n in range(300):
            with lock:
                data.append(n)
                group.update("n", n)
        done.set()

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    while not done.is_set():
        group.save()
    writer.join(timeout=60)

    assert not writer.is_alive()


def test_atomic_keeps_snapshots_out(start: Start) -> None:
    """A save in another thread waits for the end of the block, so the two slots always agree."""
    pair = [0, 0]
    group = start(keep=1000)
    group.register("pair", StateClosureManager)
    group.update("pair", lambda: list(pair))
    stop = threading.Event()
    seen = []

    def save() -> None:
        while not stop.is_set():
            checkpoint = group.save()
            assert checkpoint is not None
            seen.append(json.loads(checkpoint.slots["pair"].value or b"null"))

    saver = threading.Thread(target=save, daemon=True)
    saver.start()
    for n in range(2000):
        with group.atomic():
            pair[0] = n
            sum(range(50))
            pair[1] = n
    stop.set()
    saver.join(timeout=60)

    assert seen
    assert all(a == b for a, b in seen)


@pytest.mark.parametrize(
    ("manager", "value"),
    [
        (StateManager, [1, 2]),
        (StateCopyManager, {"k": [1]}),
        (StateRefManager, PicklableDict(k=1)),
    ],
)
def test_every_kind_of_slot_comes_back(start: Start, manager: type[StateManager], value: object) -> None:
    """Reference, copy and weak reference give back an equal value."""
    group = start()
    group.register("slot", manager)
    group.update("slot", value)
    group.save()

    group = start()
    group.register("slot", manager)
    assert group.get("slot") == value


def test_closures_and_variables_are_read_at_each_save(start: Start) -> None:
    """The last value counts, not the one at the time of the update."""
    group = start()
    group.register("closure", StateClosureManager)
    group.register("symbol", StateSymbolicManager)
    loss = 0.1
    group.update("closure", lambda: loss)
    group.update("symbol", loss)
    loss = 0.2
    group.save()

    group = start()
    group.register("closure", StateClosureManager)
    group.register("symbol", StateSymbolicManager)
    assert group.get("closure") == 0.2
    assert group.get("symbol") == 0.2


class Counter:
    """An object with a state dict."""

    def __init__(self) -> None:
        self.n = 0

    def state_dict(self) -> dict[str, int]:
        """Give the state."""
        return {"n": self.n}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Take the state."""
        self.n = state["n"]


def test_a_state_dict_is_loaded_into_the_object(start: Start) -> None:
    """After a restart update binds the object and gives it its old state; load does so again."""
    group = start()
    group.register("counter", StateDictManager)
    counter = Counter()
    counter.n = 7
    group.update("counter", counter)
    group.save()

    group = start()
    group.register("counter", StateDictManager)
    counter = Counter()
    group.update("counter", counter)
    assert counter.n == 7
    counter.n = 8
    group.load()
    assert counter.n == 7
    assert group.get("counter") is counter


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


def test_a_large_value_and_many_slots(start: Start) -> None:
    """A value far above a chunk, and a thousand slots, come back."""
    group = start()
    big = bytes(range(256)) * 50_000
    group.register("big")
    group.update("big", big)
    for n in range(1000):
        group.register(f"s{n}")
        group.update(f"s{n}", n)
    group.save()

    group = start()
    group.register("big")
    assert group.get("big") == big
    group.register("s999")
    assert group.get("s999") == 999
