"""What is read back is checked chunk by chunk, in fresh memory, in mapped pages and in the program's own memory."""

from __future__ import annotations

import os
import threading
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lattice_addons.checkpoint import clear
from lattice_addons.checkpoint._read import read_chunk
from lattice_addons.errors import DamagedError
from tests.descriptors import open_under
from tests.unit.checkpoint.lines import FOLDER, contents, damage, line_of, packs, raw

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lattice_addons.checkpoint import Chunk, Entry, Line
    from lattice_addons.storage import LocalStore, Store

MIB = 2**20
# One piece, a few pieces, one chunk, some chunks, and many.
MANY = pytest.param(20 * MIB, marks=pytest.mark.one_python)
SIZES = [0, 1, 65_536, MIB + 1, 4 * MIB, 9 * MIB + 5, MANY]


def stored(line: Line, *buffers: bytes) -> Entry:
    """Commit a slot of these buffers."""
    return line.commit({"slot": raw(*buffers)}, parent=None, reason="manual").slots["slot"]


def noise(size: int) -> bytes:
    """Give bytes that are nowhere the same."""
    return os.urandom(size)


@pytest.mark.parametrize("restore", ["read", "map"])
@pytest.mark.parametrize("size", SIZES)
def test_what_was_written_is_read(store: Store, restore: str, size: int) -> None:
    """Each byte of each buffer, in memory that can be written to."""
    data = [noise(size), noise(100), noise(size)]
    line = line_of(store, restore=restore)
    _, buffers = line.read(stored(line, *data))
    assert [bytes(buffer) for buffer in buffers] == data
    for buffer in filter(len, buffers):
        buffer[-1] ^= 1
    assert [bytes(buffer)[:-1] for buffer in buffers] == [each[:-1] for each in data]


@pytest.mark.parametrize("restore", ["read", "map"])
@pytest.mark.parametrize("at", [0, 3 * MIB, 6 * MIB - 1])
@pytest.mark.parametrize("size", [6 * MIB, MANY])
def test_damage_is_found_wherever_it_is(store: Store, restore: str, at: int, size: int) -> None:
    """One bit, in any piece of any chunk; the error has the chunk, which is then written again."""
    line = line_of(store, restore=restore)
    data = noise(size)
    entry = stored(line, data)
    first = next(entry.chunks())
    damage(store, packs(store)[0], first.offset + at)
    with pytest.raises(DamagedError, match="not those that were written") as caught:
        line.read(entry)
    assert caught.value.key == packs(store)[0]
    memory = memoryview(bytearray(size))
    assert set(line.fill({"a": (entry, memory)})) == {"a"}
    assert contents(line, stored(line, data)) == [data]


@pytest.mark.parametrize("size", SIZES[1:])
def test_memory_is_filled_in_place(store: Store, size: int) -> None:
    """Those of many slots at once, some of which share their bytes."""
    line = line_of(store)
    data = {name: noise(size) for name in "abc"} | {"d": b"x" * size, "e": b"x" * size}
    slots = {name: raw(each) for name, each in data.items()}
    entries = line.commit(slots, parent=None, reason="manual").slots
    memory = {name: bytearray(size) for name in data}
    assert line.fill({name: (entries[name], memoryview(memory[name])) for name in data}) == {}
    assert memory == data


def test_of_many_slots_only_the_damaged_are_told(store: Store) -> None:
    """The others are filled; a pack that is gone damages all its slots."""
    line = line_of(store)
    data = {f"{number}": noise(MIB) for number in range(8)}
    slots = {name: raw(each) for name, each in data.items()}
    entries = line.commit(slots, parent=None, reason="manual").slots
    damage(store, packs(store)[0], next(entries["3"].chunks()).offset + 7)
    memory = {name: bytearray(MIB) for name in data}
    targets = {name: (entries[name], memoryview(memory[name])) for name in data}
    damaged = line.fill(targets)
    assert set(damaged) == {"3"}
    assert "slot '3'" in str(damaged["3"])
    assert all(memory[name] == data[name] for name in data if name != "3")
    store.delete(packs(store))
    assert set(line.fill(targets)) == set(data)


@pytest.mark.one_python
def test_mapped_memory_outlives_the_store(local: LocalStore, tmp_path: Path) -> None:
    """It is the reader's own: deleted, damaged or cleared, nothing of it changes; and it holds no descriptor."""
    line = line_of(local, restore="map")
    data = [noise(5 * MIB) for _ in range(20)]
    entry = stored(line, *data)
    held = open_under(tmp_path)
    mapped = line.read(entry)[1]
    again = line.read(entry)[1]
    assert open_under(tmp_path) == held
    mapped[0][0] ^= 1
    assert bytes(again[0]) == data[0]
    assert contents(line, entry) == data
    line.release()
    clear(local, "job")
    assert packs(local) == []
    assert [bytes(buffer) for buffer in again] == data
    assert [bytes(buffer) for buffer in mapped[1:]] == data[1:]


def test_mapped_memory_is_given_back(local: LocalStore) -> None:
    """With the last view of it the pages of the pack are let go."""
    line = line_of(local, restore="map")
    entry = stored(line, noise(5 * MIB))
    [buffer] = line.read(entry)[1]
    array = np.frombuffer(buffer, "u1")[MIB:]
    del buffer
    assert _mapped_packs(local) == 1
    assert array.flags.writeable
    del array
    assert _mapped_packs(local) == 0


def _mapped_packs(store: LocalStore) -> int:
    """Say how many packs of a store are in memory; those of other tests may still be."""
    with open("/proc/self/maps", encoding="utf-8") as lines:
        return sum(f" {store.root}/" in line and line.rstrip().endswith(".pack") for line in lines)


def test_what_lies_apart_is_read(local: LocalStore) -> None:
    """A buffer with chunks of two packs is no stretch of one file."""
    line = line_of(local, restore="map")
    one, two = noise(4 * MIB), noise(4 * MIB)
    stored(line, one)
    entry = stored(line, two + one)
    assert len({chunk.pack for chunk in entry.chunks()}) == 2
    assert contents(line, entry) == [two + one]
    assert _mapped_packs(local) == 0


def test_what_lies_in_another_order_is_read(local: LocalStore) -> None:
    """Chunks of one pack that are not side by side as the buffer has them."""
    line = line_of(local, restore="map")
    one, two, three = noise(4 * MIB), noise(4 * MIB), noise(4 * MIB)
    stored(line, one + two + three)
    for data in (three + two + one, one + three):
        entry = stored(line, data)
        assert contents(line, entry) == [data]
    assert len(packs(local)) == 1


@pytest.mark.parametrize("restore", ["read", "map"])
def test_one_slot_reads_little_more_than_its_bytes(
    local: LocalStore, restore: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much else the pack has; its folder is entered once."""

    def counts() -> bool:
        # Not what is tidied up elsewhere.
        return threading.current_thread().name.startswith(("MainThread", "lattice-bytes"))

    line = line_of(local, restore=restore)
    slots = {f"{number}": raw(noise(2 * MIB)) for number in range(6)}
    entries = line.commit(slots, parent=None, reason="manual").slots
    asked: list[int] = []
    opened: list[str] = []
    preadv, system_open = os.preadv, os.open

    def counted_preadv(descriptor: int, buffers: Sequence[memoryview], at: int) -> int:
        if counts():
            asked.append(sum(len(buffer) for buffer in buffers))
        return preadv(descriptor, buffers, at)

    def counted_open(path: str, *args: int, **kwargs: int) -> int:
        if counts():
            opened.append(path)
        return system_open(path, *args, **kwargs)

    monkeypatch.setattr(os, "preadv", counted_preadv)
    monkeypatch.setattr(os, "open", counted_open)
    line.read(entries["3"])
    assert sum(asked) == 2 * MIB
    assert opened.count("packs") == 1


def test_compressed_chunks_are_read_and_checked(store: Store) -> None:
    """Text takes less room in the pack; damage to it is damage, whatever the decompressor says of it."""
    line = line_of(store, restore="map")
    data = b"".join(b"line %d of a text that repeats itself\n" % number for number in range(100_000))
    entry = stored(line, data)
    chunks = list(entry.chunks())
    assert all(0 < chunk.stored < chunk.length for chunk in chunks)
    assert contents(line, entry) == [data]
    memory = bytearray(len(data))
    assert line.fill({"a": (entry, memoryview(memory))}) == {}
    assert memory == data
    # Not every bit of a frame says something.
    for at in (0, chunks[0].stored // 2):
        damage(store, packs(store)[0], chunks[0].offset + at)
        with pytest.raises(DamagedError):
            line.read(entry)
        assert set(line.fill({"a": (entry, memoryview(memory))})) == {"a"}
        assert [finding.good for finding in line.verify()] == [False]
        damage(store, packs(store)[0], chunks[0].offset + at)


def test_many_threads_read_at_once(local: LocalStore) -> None:
    """They share the workers, and each gets its own bytes."""
    line = line_of(local)
    data = {name: noise(9 * MIB) for name in "abcd"}
    slots = {name: raw(each) for name, each in data.items()}
    entries = line.commit(slots, parent=None, reason="manual").slots
    found: dict[str, bool] = {}

    def read(name: str) -> None:
        found[name] = all(contents(line, entries[name]) == [data[name]] for _ in range(3))

    threads = [threading.Thread(target=read, args=(name,)) for name in data]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == dict.fromkeys(data, True)


def test_a_chunk_can_be_read_by_a_worker(local: LocalStore) -> None:
    """It waits for no other worker: all of them could be in such a job."""
    from lattice_addons.checkpoint._workers import BYTES

    line = line_of(local)
    data = noise(4 * MIB)
    entry = stored(line, data)
    chunk = next(entry.chunks())

    jobs = [partial(_chunk_of, local, chunk) for _ in range(16)]
    assert all(each == data for each in BYTES.run(jobs, ahead=16))


def _chunk_of(store: Store, chunk: Chunk) -> bytearray:
    data = bytearray(chunk.length)
    read_chunk(store, FOLDER, chunk, memoryview(data))
    return data


@pytest.mark.parametrize("restore", ["read", "map"])
def test_a_child_reads_what_its_parent_wrote(local: LocalStore, restore: str) -> None:
    """The parent's threads are not there; what the child changes in what was read the parent does not see."""
    line = line_of(local, restore=restore)
    data = noise(20 * MIB)
    entry = stored(line, data)
    [memory] = line.read(entry)[1]
    child = os.fork()
    if child == 0:  # pragma: no cover - another process
        good = False
        try:
            good = contents(line, entry) == [data]
            memory[0] ^= 1
        finally:
            os._exit(0 if good else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert bytes(memory) == data
