"""Threads share a group: no update is lost, nobody waits for ever, no snapshot is torn."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

from lattice_addons import StateClosureManager, StateManagerGroup
from tests.unit.state.reel import begin

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.state.reel import Slow

    Start = Callable[..., StateManagerGroup]


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
                group.async_save().result(timeout=150)

    threads = [threading.Thread(target=work, args=(n,), daemon=True) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=150)
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
    writer.join(timeout=150)

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
        while True:
            checkpoint = group.save()
            assert checkpoint is not None
            seen.append(json.loads(checkpoint.slots["pair"].value or b"null"))
            if stop.is_set():
                return

    saver = threading.Thread(target=save, daemon=True)
    saver.start()
    for n in range(2000):
        with group.atomic():
            pair[0] = n
            sum(range(50))
            pair[1] = n
    stop.set()
    saver.join(timeout=150)

    assert seen
    assert all(a == b for a, b in seen)


def test_no_section_begins_while_values_are_written(start: Start, reel: Slow) -> None:
    """What `save` writes is the program's own memory: a thread that changes it in sections cannot tear it."""
    group = start()
    begin(group, reel)

    def change() -> None:
        with group.atomic():
            reel.told.append("changed")

    saver, changer = threading.Thread(target=group.save), threading.Thread(target=change)
    saver.start()
    assert reel.begun.wait(60)
    changer.start()
    changer.join(0.2)
    reel.leave.set()
    for thread in (saver, changer):
        thread.join(60)
    assert reel.told == ["read", "changed"]
