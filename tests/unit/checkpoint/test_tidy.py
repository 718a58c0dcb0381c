"""A thread tidies up beside the saves, and never takes what somebody still needs."""

from __future__ import annotations

import gc
import os
import threading
import time
import tracemalloc
import weakref
from typing import TYPE_CHECKING

import pytest

from lattice_addons.errors import StoreError
from lattice_addons.storage import LocalStore, MemoryStore
from tests.descriptors import open_under
from tests.unit.checkpoint.lines import damage, fresh, line_of, manifest, packs, raw, save, value, values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from lattice_addons.storage import Store


def eventually(condition: Callable[[], bool]) -> bool:
    """Wait until something is so."""
    end = time.monotonic() + 120
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def test_a_save_deletes_nothing_and_the_thread_does(tmp_path: Path) -> None:
    """Deleting is slow: whatever is deleted, is by the thread, manifests before packs."""
    deleted: list[tuple[str, str]] = []

    class Watched(LocalStore):
        def delete(self, keys: Iterable[str]) -> None:
            keys = list(keys)
            deleted.extend((threading.current_thread().name, key) for key in keys)
            super().delete(keys)

    line = line_of(Watched(tmp_path / "store"), keep=2)
    for n in range(6):
        save(line, n=(n, n))
    assert not deleted

    line.tidier.soon()

    assert eventually(lambda: line.numbers() == [5, 6] and len(packs(line.store)) == 2)
    line.release()
    tidied = [(name, key) for name, key in deleted if not key.endswith("lease.json")]
    assert {name for name, _ in tidied} == {"lattice-tidy"}
    kinds = [key.rsplit(".", 1)[1] for _, key in tidied]
    assert kinds == ["json"] * 4 + ["pack"] * 4


def test_turns_and_commits_at_once(store: Store) -> None:
    """However they fall together, every checkpoint that is there can be read, every byte of it."""
    line = line_of(store, keep=2)
    shared = fresh(("never changes", "x" * 300_000))
    last = save(line, n=(0, 0))
    for n in range(1, 40):
        slots = {
            "shared": last.slots.get("shared", shared),
            "n": fresh((n, n)),
            "large": raw(os.urandom(300_000)),
        }
        last = line.commit(slots, parent=n, reason="manual")
        line.tidier.soon()
        if n % 8 == 0:
            time.sleep(0.12)
    assert line.tidier.now()
    assert [finding.error for finding in line.verify() if not finding.good] == []
    assert line.numbers() == [39, 40]
    assert value(line, last, "shared") == ("never changes", "x" * 300_000)


def test_what_is_doomed_is_not_referred_to_again(store: Store) -> None:
    """Between the plan and the deletion a save that has the same bytes writes them again."""
    line = line_of(store, keep=1)
    save(line, a=("the same", 1))
    entry = line.load(1).slots["a"]
    save(line, b=("another", 2))
    steps = line.tidying().retain(())
    for _ in steps:
        if line.numbers() == [2]:
            break  # the manifest is deleted, and its pack is about to be
    third = line.commit({"a": fresh(("the same", 1)), "b": entry}, parent=2, reason="manual")
    for _ in steps:
        pass
    assert value(line, third, "a") == ("the same", 1)
    assert value(line, line.load(3), "b") in (("the same", 1), ("another", 2))
    assert all(finding.good for finding in line.verify())


def test_what_a_snapshot_has_taken_stays(store: Store) -> None:
    """It was compared with a checkpoint that is superseded before it is committed itself."""
    line = line_of(store, keep=1)
    data = bytearray(os.urandom(300_000))
    line.commit({"a": raw(data)}, parent=None, reason="manual")
    taken = line.detach({"a": raw(data)})
    assert taken is not None
    line.commit({"a": raw(os.urandom(300_000))}, parent=1, reason="manual")
    line.retain()
    third = line.commit(taken, parent=2, reason="manual")
    del taken
    assert bytes(line.read(third.slots["a"])[1][0]) == data
    line.retain()
    assert line.numbers() == [3]
    line.commit({"a": raw(b"short")}, parent=3, reason="manual")
    line.retain()
    assert len(packs(store)) == 1


def test_an_unverified_checkpoint_lets_nothing_go(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """A newer one that was committed while an older was verified does not count for it."""
    line = line_of(store, keep=1)
    save(line, n=(1, 1))
    before = set(packs(store))
    save(line, n=(2, 2))
    (pack,) = set(packs(store)) - before
    steps = line.tidying().retain(())
    next(steps)  # the second is about to be read back
    third = save(line, n=(3, 3))
    for chunk in third.chunks():
        damage(store, f"job/rank-00000/packs/{chunk.pack}.pack", chunk.offset)
    for _ in steps:
        pass
    assert line.numbers() == [2, 3]
    line.retain()
    assert line.numbers() == [2, 3]
    assert "no older one is deleted" in caplog.text
    assert pack in packs(store)


def test_the_start_reads_one_manifest(tmp_path: Path) -> None:
    """However many are kept: the others are read by who tidies up."""
    read: list[str] = []

    class Watched(LocalStore):
        def read(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
            read.append(key)
            return super().read(key, start, stop)

    store = Watched(tmp_path / "store")
    line = line_of(store, keep=100)
    for n in range(30):
        save(line, n=n)
    line.release()

    line = line_of(store, keep=100)
    read.clear()
    assert values(line, line.newest()) == {"n": 29}
    save(line, n=30)
    assert {key for key in read if "checkpoints/" in key} == {manifest(30)}


@pytest.mark.one_python
def test_hundreds_of_saves_leave_everything_flat(tmp_path: Path) -> None:
    """Files, descriptors, threads, the catalog and memory are after 250 small saves what they were after 100."""
    store = LocalStore(tmp_path / "store")
    line = line_of(store, keep=3)
    large = bytearray(os.urandom(600_000))

    def rounds(count: int) -> None:
        for _ in range(count):
            large[:8] = os.urandom(8)
            slots = {"n": fresh((os.urandom(8), 1)), "large": raw(bytes(large[:1000])), "same": raw(same)}
            line.commit(slots, parent=None, reason="manual")
            line.tidier.now()

    def facts() -> tuple[int, int, int]:
        files = sum(len(names) for _, _, names in os.walk(tmp_path))
        catalog = line._catalog
        known = len(catalog.records) + len(catalog._chunks) + len(catalog.written) + len(catalog.going)
        known += len(catalog.doomed) + len(catalog.rewritten) + len(catalog._left) + len(catalog._bad)
        return files, len(open_under(tmp_path)), known

    same = os.urandom(300_000)
    rounds(100)
    # Those of other tests may end meanwhile.
    before, threads = facts(), {*threading.enumerate()}
    tracemalloc.start()
    rounds(10)
    gc.collect()
    memory = tracemalloc.get_traced_memory()[0]
    rounds(140)
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - memory
    tracemalloc.stop()
    assert facts() == before
    assert {*threading.enumerate()} <= threads
    assert grown < 40_000


def test_a_line_that_is_forgotten_is_not_tidied_up(tmp_path: Path) -> None:
    """The thread holds nothing but what it works at: the lease is free when the line is gone."""
    store = LocalStore(tmp_path / "store")
    line = line_of(store, keep=1)
    save(line, n=(1, 1))
    line.tidier.soon()
    gone = weakref.ref(line)
    del line
    # Without the collector: the lease ends with the last reference, as it does without a thread.
    assert eventually(lambda: gone() is None)
    assert save(line_of(store, keep=1), n=(2, 2)).number == 2


def test_a_turn_of_little_time_is_broken_off_and_gone_on_with(store: Store) -> None:
    """At a program's end there is only a moment; what is left is for the next."""
    line = line_of(store, keep=1)
    for n in range(5):
        save(line, n=(n, n))
    assert not line.tidier.now(0.0)
    assert line.numbers() == [1, 2, 3, 4, 5]
    assert line.tidier.now(60.0)
    assert line.numbers() == [5]
    assert len(packs(store)) == 1


def test_another_writer_is_left_alone() -> None:
    """Who has lost the lease deletes nothing any more."""
    store = MemoryStore("another writer")
    line = line_of(store, keep=1)
    for n in range(3):
        save(line, n=(n, n))
    store.delete(["job/rank-00000/lease.json"])
    other = line_of(store, keep=1)
    other.acquire()
    line.tidier.now()
    assert line.numbers() == [1, 2, 3]
    assert len(packs(store)) == 3


def test_a_lease_that_is_lost_within_a_turn_ends_it(store: Store) -> None:
    """It is looked at once more when it is settled what goes."""
    line = line_of(store, keep=1)
    for n in range(3):
        save(line, n=(n, n))
    steps = line.tidying().retain(())
    next(steps)
    store.delete(["job/rank-00000/lease.json"])
    line_of(store).acquire()
    assert not list(steps)[1:]
    assert line.numbers() == [1, 2, 3]
    assert len(packs(store)) == 3


def test_what_could_not_be_deleted_is_not_learned_again(tmp_path: Path) -> None:
    """A reader may read it as long as it is there; what is saved does not refer to it."""

    class Stuck(LocalStore):
        def delete(self, keys: Iterable[str]) -> None:
            raise StoreError(f"cannot delete {list(keys)}", url=self.url)

    line = line_of(Stuck(tmp_path / "store"), keep=1)
    first = save(line, n=("first", 1))
    save(line, n=("second", 2))
    line.retain()
    assert values(line, line.load(1)) == {"n": ("first", 1)}
    third = save(line, n=("first", 1))
    assert 1 not in line._catalog.records
    assert next(third.chunks()).pack != next(first.chunks()).pack


def test_a_failure_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """And the thread goes on."""

    class Stuck(LocalStore):
        stuck = True

        def delete(self, keys: Iterable[str]) -> None:
            if self.stuck:
                raise RuntimeError("a defect")
            super().delete(keys)

    store = Stuck(tmp_path / "store")
    line = line_of(store, keep=1)
    for n in range(3):
        save(line, n=(n, n))
        line.tidier.now()
    assert caplog.text.count("could not tidy up") == 1
    store.stuck = False
    assert line.tidier.now()
    assert line.numbers() == [3]
    assert len(packs(store)) == 1
