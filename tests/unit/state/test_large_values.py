"""Values whose pickles are not held whole are saved as others are."""

from __future__ import annotations

import random
import threading
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from lattice_addons.errors import NotSavedError
from lattice_addons.state import _snapshot

if TYPE_CHECKING:
    from collections.abc import Callable

    from lattice_addons import StateManagerGroup

    Start = Callable[..., StateManagerGroup]

MIB = 2**20


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let less be held whole, so that less has to be saved."""
    monkeypatch.setattr(_snapshot, "_HELD", 4 * MIB)


def large(seed: int = 0, size: int = 6000) -> dict[object, object]:
    """Give a value with a pickle of 6 MB, more than is `held`, of parts that are copied into it."""
    source = random.Random(seed)
    return {number: source.randbytes(size) for number in range(1000)}


def group_of(start: Start, **values: object) -> StateManagerGroup:
    """Begin a session with these slots; those without a value have what is stored."""
    group = start()
    for name, value in values.items():
        group.register(name)
        if value is not None:
            group.update(name, value)
    return group


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize("asynchronous", [False, True], ids=["save", "async_save"])
def test_they_are_restored(start: Start, asynchronous: bool) -> None:
    """From the first save and from the next, each as it was then."""
    value = large()
    group = group_of(start, large=value, small=(1,))
    for more in ("one", "two"):
        value[more] = 1
        want = dict(value)
        if asynchronous:
            saved = group.async_save()
            value["too late"] = 1
            saved.result()
            del value["too late"]
        else:
            group.save()
        assert group_of(start, large=None, small=None).get("large") == want
        group = group_of(start, large=value, small=(2,))


def test_a_save_takes_little_memory(start: Start) -> None:
    """Of two of 40 MB each has little beside itself, all in all; also for what would be lost now."""
    group = group_of(start, **{f"v{seed}": large(seed, 40_000) for seed in range(2)})
    for action in (group.save, group.stats):
        tracemalloc.start()
        try:
            action()
            assert tracemalloc.get_traced_memory()[1] < 56 * MIB
        finally:
            tracemalloc.stop()
    assert group.stats().dirty == 0


@pytest.mark.usefixtures("held")
def test_one_that_cannot_be_stored_keeps_its_last_good_value(start: Start) -> None:
    """Found out only while it is written, the first time; the other slots are saved in any case."""
    value: dict[object, Any] = large()
    group = group_of(start, large=value, other=(1,))
    group.save()
    good = dict(value)
    value["lock"] = threading.Lock()
    for number in (2, 3):
        group.update("other", (number,))
        with pytest.raises(NotSavedError, match=r"value\['lock'\]") as caught:
            group.save()
        assert list(caught.value.failures) == ["large"]
    group = group_of(start, large=None, other=None)
    assert group.get("large") == good
    assert group.get("other") == (3,)


@pytest.mark.usefixtures("held")
def test_what_is_told_of_a_slot_is_told_of_all_of_it(start: Start) -> None:
    """Its size is that of the whole pickle."""
    group = group_of(start, large=large())
    assert group.status().slots[0].size > 6_000_000


class Saving:
    """Saves the group of which it is a value."""

    group: StateManagerGroup | None = None

    def __getstate__(self) -> object:
        """Save, wherever this is asked."""
        if self.group is not None:
            self.group.save()
        return {}


@pytest.mark.usefixtures("held")
def test_a_save_within_a_save_is_refused(start: Start) -> None:
    """By an error that names the slot: it would wait for itself. Afterwards all goes on."""
    saving = Saving()
    group = group_of(start, large=[large(), saving], other=(1,))
    saving.group = group
    with pytest.raises(NotSavedError, match="in the middle of writing a checkpoint") as caught:
        group.save()
    assert list(caught.value.failures) == ["large"]
    saving.group = None
    group.save()
    group = group_of(start, large=None, other=None)
    assert group.get("large")[0] == large()
    assert group.get("other") == (1,)
