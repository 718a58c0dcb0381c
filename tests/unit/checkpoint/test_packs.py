"""Chunks lie in packs as the format says, each byte string once."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lattice_addons.checkpoint import Chunk
from lattice_addons.errors import DamagedError, EncodeError
from tests.unit.checkpoint.lines import Pieces, contents, damage, fresh, line_of, packs, raw, save, values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lattice_addons.storage import Store

MIB = 2**20


def test_a_commit_makes_one_pack_and_none_when_nothing_is_new(store: Store) -> None:
    """The same bytes are stored once, whichever slot or checkpoint they come from."""
    line = line_of(store)
    line.commit({"a": raw(b"one", b"two"), "b": raw(b"two")}, parent=None, reason="manual")
    assert len(packs(store)) == 1
    assert store.read(packs(store)[0]) == b"onetwo"
    again = line.commit({"c": raw(b"two")}, parent=1, reason="manual")
    assert len(packs(store)) == 1
    assert again.metrics["bytes_new"] == 0


def test_another_process_knows_what_is_stored(store: Store) -> None:
    """After a restart nothing is written again either."""
    first = line_of(store)
    first.commit({"a": raw(b"one")}, parent=None, reason="manual")
    first.release()
    line_of(store).commit({"b": raw(b"one")}, parent=1, reason="manual")
    assert len(packs(store)) == 1


def test_large_buffers_are_aligned_and_small_ones_tight(store: Store) -> None:
    """A buffer of 64 KiB begins at a multiple of 4096, its chunks side by side."""
    large = os.urandom(9 * MIB + 5)
    line = line_of(store)
    slots = {"a": raw(b"abc", b"def"), "b": raw(large), "c": raw(b"ghi"), "d": raw(os.urandom(64 * 1024))}
    entries = line.commit(slots, parent=None, reason="manual").slots
    begin = next(entries["b"].chunks()).offset
    assert begin % 4096 == 0
    assert [(chunk.offset - begin, chunk.length) for chunk in entries["b"].chunks()] == [
        (0, 4 * MIB),
        (4 * MIB, 4 * MIB),
        (8 * MIB, MIB + 5),
    ]
    tight = [chunk.offset for name in "ac" for chunk in entries[name].chunks()]
    assert tight == [tight[0], tight[0] + 3, tight[0] + 6]
    assert next(entries["d"].chunks()).offset % 4096 == 0
    assert contents(line, entries["b"]) == [large]


def test_only_the_chunks_that_changed_are_written(store: Store) -> None:
    """One element of a large array costs one chunk."""
    array = np.arange(3 * MIB, dtype="i4")
    line = line_of(store)
    save(line, array=array)
    array[1] = -1
    checkpoint = save(line, array=array)
    assert checkpoint.metrics["bytes_new"] == 4 * MIB
    assert np.array_equal(values(line, checkpoint)["array"], array)  # type: ignore[arg-type]


def test_empty_buffers_come_back_empty(store: Store) -> None:
    """No bytes need no chunk, also where an array has a zero in its shape."""
    line = line_of(store)
    entry = line.commit({"a": raw(b"", np.zeros((0, 3)).data)}, parent=None, reason="manual").slots["a"]
    assert entry.buffers == ((), ())
    assert line.read(entry) == (None, [bytearray(), bytearray()])
    assert packs(store) == []


def test_of_a_stream_that_has_grown_only_its_end_is_new(store: Store) -> None:
    """In whatever pieces it is read: its chunks are cut where its bytes say."""
    line = line_of(store)
    data = os.urandom(5 * MIB)
    pieces = Pieces([data[at : at + 1_000_003] for at in range(0, len(data), 1_000_003)])
    entry = line.commit({"a": raw(pieces, encoding="file")}, parent=None, reason="manual").slots["a"]
    assert contents(line, entry) == [data]
    grown = Pieces([data[: 3 * MIB], data[3 * MIB :], b"more"])
    checkpoint = line.commit({"a": raw(grown, encoding="file")}, parent=1, reason="manual")
    assert contents(line, checkpoint.slots["a"]) == [data + b"more"]
    assert 4 <= checkpoint.metrics["bytes_new"] <= 512 * 1024 + 4  # type: ignore[operator]


def test_of_a_large_pickle_only_what_is_around_an_insertion_is_new(store: Store) -> None:
    """Whatever is put in at its beginning: the rest of its bytes is found again."""
    line = line_of(store)
    data = os.urandom(5 * MIB)
    save(line, a={1: data})
    checkpoint = save(line, a={1: b"what was put in" + data})
    assert values(line, checkpoint) == {"a": {1: b"what was put in" + data}}
    assert checkpoint.metrics["bytes_new"] < MIB  # type: ignore[operator]


class Unreadable(Pieces):
    """A stream whose source cannot be read."""

    def pieces(self) -> Iterator[bytes]:
        """Fail after the first piece."""
        yield b"some"
        raise PermissionError(13, "no")


@pytest.mark.parametrize("stream", [Pieces([b"abc"], size=4), Unreadable([b"abc"])])
def test_a_stream_that_fails_names_its_slot_and_nothing_is_committed(store: Store, stream: Pieces) -> None:
    """The caller can commit again with that slot's last good value."""
    line = line_of(store)
    before = save(line, good=(1,), bad=(2,))
    slots = {"good": fresh((3,)), "bad": raw(stream)}
    with pytest.raises(EncodeError) as caught:
        line.commit(slots, parent=1, reason="manual")
    assert caught.value.slot == "bad"  # type: ignore[attr-defined]
    assert line.numbers() == [1]
    assert len(packs(store)) == 1
    after = line.commit(slots | {"bad": before.slots["bad"]}, parent=1, reason="manual")
    assert values(line, after) == {"good": (3,), "bad": (2,)}


def test_an_array_that_changes_meanwhile_is_stored_with_its_digest(store: Store) -> None:
    """Whatever was seen of it reads back: a digest of other bytes than were written would be damage."""
    array = np.zeros(2 * MIB, dtype="u1")
    stop = threading.Event()

    def change() -> None:
        while not stop.is_set():
            array[:] += 1

    thread = threading.Thread(target=change)
    thread.start()
    try:
        line = line_of(store)
        for _ in range(5):
            checkpoint = line.commit({"array": raw(array.data)}, parent=None, reason="manual")
            line.read(checkpoint.slots["array"])
    finally:
        stop.set()
        thread.join()


def test_a_pack_that_vanished_is_written_again(store: Store) -> None:
    """What is referred to must be there: somebody may have removed the folder."""
    line = line_of(store)
    save(line, a=(1, 2, 3))
    store.delete(packs(store))
    assert values(line, save(line, a=(1, 2, 3))) == {"a": (1, 2, 3)}


def test_a_chunk_that_was_found_damaged_is_written_again(store: Store) -> None:
    """The same bytes, saved again, are not taken to be in the store."""
    line = line_of(store)
    checkpoint = save(line, a=(1, 2, 3))
    damage(store, packs(store)[0], 5)
    with pytest.raises(DamagedError) as caught:
        values(line, checkpoint)
    assert caught.value.key == packs(store)[0]
    assert values(line, save(line, a=(1, 2, 3))) == {"a": (1, 2, 3)}


def test_a_short_pack_is_found_before_memory_is_taken(store: Store) -> None:
    """A length in the terabytes is held against the pack first."""
    line = line_of(store)
    checkpoint = save(line, a=(1, 2, 3))
    entry = checkpoint.slots["a"]
    chunk = next(entry.chunks())
    huge = tuple(Chunk(chunk.digest, 2**42, chunk.pack, offset) for offset in range(8))
    with pytest.raises(DamagedError, match="cut off"):
        line.read(type(entry)("m", "pickle", "t", 1, None, (huge,)))
    far = Chunk(chunk.digest, chunk.length, chunk.pack, 2**62)
    with pytest.raises(DamagedError, match="cut off"):
        line.read(type(entry)("m", "pickle", "t", 1, None, ((far,),)))
