"""``group.stats()`` says what saves have cost, and what a kill would lose, to the byte."""

from __future__ import annotations

import dataclasses
import json
import os
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lattice_addons import StateClosureManager, StateFileManager
from lattice_addons.state import SaveCosts, Stats

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lattice_addons import StateManagerGroup

    Start = Callable[..., StateManagerGroup]

MIB = 1024 * 1024
CHUNK = 4 * MIB


def holding(start: Start, **values: Any) -> StateManagerGroup:
    """Start a session with these slots."""
    group = start()
    for key, value in values.items():
        group.register(key)
        group.update(key, value)
    return group


def last_line(stats: Stats) -> str:
    """Give the sentence with which the text ends."""
    return str(stats).splitlines()[-1]


def test_before_any_save_everything_would_be_lost(start: Start) -> None:
    """No time is given, and every byte counts."""
    group = holding(start, a=np.zeros(MIB, "u1"), n=1)
    stats = group.stats()
    assert (stats.saves, stats.last, stats.since_durable, stats.costs) == (0, None, None, SaveCosts())
    assert MIB < stats.dirty < MIB + 1000
    assert str(stats) == "no saves yet\nif killed now, you lose everything: 1.0 MiB"


def test_after_a_save_nothing_is_lost(start: Start) -> None:
    """The sum is that of the one save, and says what the checkpoint says."""
    group = holding(start, a=np.zeros(MIB, "u1"), n=1, text="x" * 100_000, words=["a", (1, 2)])
    checkpoint = group.save()
    stats = group.stats()
    assert checkpoint is not None
    assert stats.last is not None
    assert (stats.saves, stats.dirty) == (1, 0)
    assert (stats.last.number, stats.last.reason, stats.last.created) == (1, "manual", checkpoint.created)
    for name in ("bytes_total", "bytes_new", "bytes_written", "seconds", "stages"):
        assert getattr(stats.costs, name) == getattr(stats.last.costs, name) == checkpoint.metrics[name], name
    assert stats.costs.bytes_total > MIB
    assert stats.costs.standstill > 0
    assert "capture" in stats.costs.stages


def test_costs_add_up(start: Start) -> None:
    """The sums are those of what each checkpoint says, whoever made it and from whichever thread."""
    group = holding(start, a=np.zeros(MIB, "u1"))
    made = [group.save()]
    for n in range(3):
        group.update("a", np.full(MIB, n + 1, "u1"))
        made.append(group.async_save().result())
    stats = group.stats()
    metrics = [checkpoint.metrics for checkpoint in made if checkpoint is not None]
    assert stats.saves == len(metrics) == 4
    for name in ("bytes_total", "bytes_new", "bytes_written", "seconds"):
        assert getattr(stats.costs, name) == pytest.approx(sum(each[name] for each in metrics)), name  # type: ignore[misc]
    assert stats.last is not None
    assert stats.last.number == 4
    assert stats.last.costs.standstill == metrics[-1]["standstill"]


def test_a_change_in_an_array_is_as_dirty_as_its_chunks(start: Start) -> None:
    """One byte makes the four megabytes around it dirty, and no others; the same bytes again make none."""
    array = np.arange(3 * CHUNK, dtype="u1")
    group = holding(start, a=array)
    group.save()
    array[CHUNK + 5] += 1
    assert group.stats().dirty == CHUNK
    array[0] += 1
    assert group.stats().dirty == 2 * CHUNK
    array[0] -= 1
    array[CHUNK + 5] -= 1
    assert group.stats().dirty == 0


def test_dirty_is_what_the_next_save_finds_new(start: Start) -> None:
    """It is told before what the save tells after: nothing is guessed."""
    rng = np.random.default_rng(1)
    array, small = rng.bytes(2 * CHUNK), bytearray(rng.bytes(5000))
    group = holding(start, a=np.frombuffer(array, "u1").copy(), small=small, blob=rng.bytes(MIB))
    group.save()
    group.get("a")[:CHUNK] += 1
    small[7] ^= 1
    group.update("blob", rng.bytes(MIB))
    told = group.stats().dirty
    checkpoint = group.save()
    assert checkpoint is not None
    new = checkpoint.metrics["bytes_new"]
    # A value's few bytes of JSON are in the manifest, and not counted as new by it.
    assert isinstance(new, int)
    assert new <= told < new + 1000


def test_values_in_the_manifest_are_dirty_when_they_change(start: Start) -> None:
    """Each by itself: a number, and a text too long for the manifest."""
    group = holding(start, n={"step": 1}, text="x" * 100_000, same=[1])
    group.save()
    group.update("n", {"step": 2})
    assert group.stats().dirty == len(json.dumps({"step": 2}, separators=(",", ":")))
    group.save()
    group.update("text", "y" * 100_000)
    assert 100_000 <= group.stats().dirty < 100_010
    group.update("text", "x" * 100_000)
    assert group.stats().dirty == 0, "these bytes are in the store, from before"


def test_many_small_slots(start: Start) -> None:
    """Of thousands, those around one that has changed count, and all others do not."""
    group = start()
    for n in range(2000):
        group.register(f"s{n}")
        group.update(f"s{n}", n)
    everything = group.stats().dirty
    group.save()
    assert group.stats().dirty == 0
    group.update("s1000", -1)
    assert 0 < group.stats().dirty < everything / 2


def test_a_slot_that_was_never_saved_counts_whole(start: Start) -> None:
    """The others are safe."""
    group = holding(start, old=np.zeros(MIB, "u1"))
    group.save()
    group.register("new")
    group.update("new", os.urandom(3000))
    assert 3000 <= group.stats().dirty < 3100


def test_after_a_restart_what_was_stored_is_safe(start: Start) -> None:
    """Nothing that was not asked for is dirty; time is counted from this process's start."""
    group = holding(start, a=np.zeros(MIB, "u1"), n=1)
    group.save()
    group = start()
    for key in ("a", "n"):
        group.register(key)
    stats = group.stats()
    assert (stats.saves, stats.dirty) == (0, 0)
    assert stats.since_durable is not None
    assert group.get("n") == 1
    assert group.get("a") is not None
    assert group.stats().dirty == 0, "the same bytes are in the store"
    group.get("a")[0] = 1
    assert group.stats().dirty == MIB


def test_time_is_counted_from_the_capture(start: Start) -> None:
    """What changes while a save is written is not safe: a slow value makes it older, not younger."""
    group = start()
    group.register("slow", StateClosureManager)
    group.update("slow", lambda: time.sleep(0.2))
    before = time.monotonic()
    group.save()
    stats = group.stats()
    assert stats.since_durable is not None
    # Both the save's capture and that of stats() take the value's time; only the first lies before now.
    assert 0.2 <= stats.since_durable <= time.monotonic() - before


def test_time_grows_and_begins_again(start: Start) -> None:
    """It is the age of the newest durable checkpoint, and of no other."""
    group = holding(start, n=1)
    group.save()
    time.sleep(0.05)
    first = group.stats().since_durable
    before = time.monotonic()
    group.save()
    second = group.stats().since_durable
    assert first is not None
    assert second is not None
    assert first >= 0.05
    # However long the save has taken: no longer than it and this.
    assert second <= time.monotonic() - before


def test_looking_changes_nothing(start: Start) -> None:
    """Saves after it find as much new as they would have, and a snapshot that was taken before is not lost."""
    array = np.zeros(CHUNK, "u1")
    group = holding(start, a=array)
    group.save()
    array[0] = 1
    snapshot = group.async_save()
    group.stats()
    assert snapshot.result() is not None
    array[0] = 2
    group.stats()
    checkpoint = group.save()
    assert checkpoint is not None
    assert checkpoint.metrics["bytes_new"] == CHUNK


def test_what_cannot_be_captured_is_passed_over(start: Start) -> None:
    """A value that raises is no reason to say nothing of the others."""
    group = holding(start, good=b"x" * 1000, bad=threading.Lock())
    assert 1000 <= group.stats().dirty < 1100


def test_files_count_what_is_new_in_them(start: Start, tmp_path: Path) -> None:
    """An open file's contents are looked at, too."""
    path = tmp_path / "log"
    with path.open("w+b") as file:
        file.write(os.urandom(50_000))
        file.flush()
        group = start()
        group.register("log", StateFileManager)
        group.update("log", file)
        assert group.stats().dirty >= 50_000
        group.save()
        assert group.stats().dirty == 0
        file.write(os.urandom(1000))
        file.flush()
        assert group.stats().dirty >= 1000


def test_work_that_is_complete_cannot_be_lost(start: Start) -> None:
    """The next start begins afresh."""
    group = holding(start, n=1)
    group.complete()
    group._session.slots["n"].manager.hold(2)
    assert last_line(group.stats()) == "if killed now, you lose 0.0 s and 0 B"


def test_a_group_that_saves_nothing_says_so(start: Start) -> None:
    """Then everything would be lost, and why is said above."""
    group = start(disabled=True)
    group.register("n")
    group.update("n", "x" * 1000)
    stats = group.stats()
    assert "nothing is saved: LATTICE_DISABLE is set" in str(stats)
    assert last_line(stats) == "if killed now, you lose everything: 1002 B"


def test_stats_are_values(start: Start) -> None:
    """They can be hashed and compared, and not changed."""
    stats = holding(start, n=1).stats()
    assert hash(stats) == hash(dataclasses.replace(stats))
    with pytest.raises(dataclasses.FrozenInstanceError):
        stats.dirty = 0  # type: ignore[misc]


@pytest.mark.parametrize(
    "metrics",
    [{}, {"bytes_total": "many", "stages": [1]}, {"seconds": None, "stages": {"write": "long"}}],
)
def test_metrics_of_another_make_count_nothing(metrics: dict[str, object]) -> None:
    """A checkpoint need not say what it cost, nor in these words."""
    costs = SaveCosts.of(metrics)
    assert (costs.bytes_total, costs.seconds, costs.standstill) == (0, 0, 0)
    assert (costs + costs).stages == costs.stages


def test_the_sentence() -> None:
    """A person reads it at a glance."""
    stats = Stats(3, None, SaveCosts(), 12.2, 3_250_586)
    assert str(stats).endswith("\nif killed now, you lose 12 s and 3.1 MiB")
