"""What a group saves, when it is asked to, is what the next session finds."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from lattice_addons import (
    PicklableDict,
    StateClosureManager,
    StateCopyManager,
    StateDictManager,
    StateManager,
    StateManagerGroup,
    StateRefManager,
    StateSymbolicManager,
)
from lattice_addons.encoding import Encoder, Stream, register_encoder
from lattice_addons.errors import NotSavedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Start = Callable[..., StateManagerGroup]


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


def test_complete_holds_though_a_slot_cannot_be_stored(start: Start) -> None:
    """The error names the slot and what its value raised; the save at exit does not open the work again."""
    group = start()
    group.register("good")
    group.update("good", 1)
    group.register("bad", StateClosureManager)
    group.update("bad", lambda: dict[str, int]()["missing"])

    with pytest.raises(NotSavedError, match="'bad': KeyError: 'missing'"):
        group.complete()
    group._session.save_now("exit")

    group = start()
    group.register("good")
    assert group.get("good") is None


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
    blob = bytearray(b"x" * 100_000)
    value = {"n": 1, "blob": blob}
    group = start()
    group.register("a")
    group.update("a", value)
    future = group.async_save()
    value["n"] = 2
    blob[:] = b"y" * 100_000

    assert future.result(timeout=150) is not None
    group = start()
    group.register("a")
    assert group.get("a") == {"n": 1, "blob": bytearray(b"x" * 100_000)}


def test_async_saves_raise_in_their_future(start: Start) -> None:
    """A slot that cannot be stored is told by result()."""
    group = start()
    group.register("bad")
    group.update("bad", threading.Lock())

    with pytest.raises(NotSavedError):
        group.async_save().result(timeout=150)


class Unreadable(Stream):
    """Bytes that can be read no more when they are to be copied."""

    size = 3

    def pieces(self) -> Iterator[bytes]:
        """Fail as a disk does."""
        raise OSError(5, "Input/output error")

    def frozen(self) -> Stream:
        """Read them."""
        return b"".join(self.pieces())  # type: ignore[return-value]


class OnDisk:
    """A value that leads to bytes somewhere."""


class OnDiskEncoder(Encoder):
    """Stores these bytes."""

    name, types = "on-disk", (OnDisk,)

    def encode(self, value: OnDisk) -> tuple[None, list[Stream]]:
        """Give the bytes when they are wanted."""
        del value
        return None, [Unreadable()]

    def decode(self, header: object, buffers: object) -> OnDisk:
        """Give one."""
        del header, buffers
        return OnDisk()


def test_what_cannot_be_copied_keeps_its_last_good_value(start: Start) -> None:
    """The others are saved, and the future names the slot."""
    register_encoder(OnDiskEncoder())
    group = start()
    for key in ("good", "bad"):
        group.register(key)
        group.update(key, 1)
    group.save()
    group.update("good", 2)
    group.update("bad", OnDisk())
    with pytest.raises(NotSavedError, match=r"'bad'.*Input/output error"):
        group.async_save().result(timeout=150)

    group = start()
    for key in ("good", "bad"):
        group.register(key)
    assert (group.get("good"), group.get("bad")) == (2, 1)


def test_the_newest_checkpoint_is_the_newest_state(start: Start) -> None:
    """Whatever order asynchronous writes end in, the highest number has the last capture."""
    group = start(keep=100)
    group.register("n")
    futures = []
    for n in range(30):
        group.update("n", n)
        futures.append(group.async_save())
    for future in futures:
        future.result(timeout=150)

    group = start()
    group.register("n")
    assert group.get("n") == 29


def test_an_older_snapshot_is_not_written_after_a_newer_one(start: Start) -> None:
    """A thread that comes to its turn late finds what is newer, and leaves it the newest."""
    group = start()
    group.register("n")
    group.update("n", 1)
    late = group._session.prepare_save("manual")
    group.update("n", 2)
    newest = group.save()
    assert late() == newest
    group = start()
    group.register("n")
    assert group.get("n") == 2


def test_keep_bounds_the_number_of_checkpoints(start: Start, tmp_path: Path) -> None:
    """Ten saves with keep=3 leave three checkpoints, once there was time to tidy up."""
    group = start(keep=3)
    group.register("n")
    for n in range(10):
        group.update("n", n)
        group.save()
    group.close()

    names = sorted(path.stem for path in (tmp_path / "store").rglob("checkpoints/*.json"))

    assert [int(name) for name in names] == [8, 9, 10]


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
