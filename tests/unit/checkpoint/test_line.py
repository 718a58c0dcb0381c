"""A line finds its newest good checkpoint, carries slots forward, and survives failing writes."""

from __future__ import annotations

import errno
import logging
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from lattice_addons.errors import DamagedError, NotInStoreError, StoreError
from lattice_addons.storage import LocalStore
from tests.unit.checkpoint.lines import (
    contents,
    damage,
    fresh,
    line_of,
    manifest,
    packs,
    raw,
    save,
    value,
    values,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from lattice_addons.checkpoint import Checkpoint
    from lattice_addons.storage import Store


def test_an_empty_line_has_nothing(store: Store) -> None:
    """No checkpoint is no error; a number that is not there is."""
    line = line_of(store)
    assert line.newest() is None
    assert not [*line.numbers(), *line.history(), *line.verify()]
    with pytest.raises(NotInStoreError):
        line.load(1)


def test_the_newest_is_the_largest_number_whatever_the_clock_says(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clocks go back; numbers do not."""
    line = line_of(store)
    save(line, n=1)
    monkeypatch.setattr("time.time_ns", lambda: 10**18)
    save(line, n=(2, os.urandom(3)))
    assert line.numbers() == [1, 2]
    newest = line_of(store).newest()
    assert newest is not None
    assert newest.number == 2


def test_a_damaged_newest_is_passed_over_with_a_warning(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """The one before it is used, and the next gets a number of its own."""
    first = line_of(store)
    save(first, n=1)
    save(first, n=2)
    first.release()
    damage(store, manifest(2), 40)
    line = line_of(store)
    with caplog.at_level(logging.WARNING):
        assert values(line, line.newest()) == {"n": 1}
    assert len(caplog.records) == 1
    assert save(line, n=3).number == 3


def test_it_is_an_error_when_all_are_damaged(store: Store) -> None:
    """To begin afresh would be to lose what can perhaps be repaired."""
    line = line_of(store)
    save(line, n=1)
    save(line, n=2)
    for number in (1, 2):
        damage(store, manifest(number), 40)
    with pytest.raises(DamagedError, match="000000000002"):
        line_of(store).newest()


def test_history_gives_the_good_ones_newest_first(store: Store) -> None:
    """The reader of a damaged slot looks there for an older value."""
    line = line_of(store)
    for n in range(1, 5):
        save(line, n=n)
    damage(store, manifest(3), 40)
    assert [checkpoint.number for checkpoint in line.history()] == [4, 2, 1]
    assert [checkpoint.number for checkpoint in line.history(before=4)] == [2, 1]


def test_what_is_carried_forward_is_not_written_again(store: Store) -> None:
    """An entry goes into the next checkpoint by reference."""
    first = line_of(store)
    save(first, a=(1, 2), b={"x": 1})
    first.release()
    line = line_of(store)
    old = line.newest()
    assert old is not None
    checkpoint = line.commit(dict(old.slots) | {"c": fresh(3)}, parent=1, reason="exit")
    assert len(packs(store)) == 1
    assert list(checkpoint.slots) == ["a", "b", "c"]
    assert values(line, line_of(store).newest()) == {"a": (1, 2), "b": {"x": 1}, "c": 3}


def test_two_ranks_and_jobs_are_apart(store: Store) -> None:
    """Each has numbers and packs of its own."""
    lines = [line_of(store), line_of(store, rank=1), line_of(store, "other")]
    for n, line in enumerate(lines):
        save(line, n=(n, n))
    assert [values(line, line.newest()) for line in lines] == [{"n": (n, n)} for n in range(3)]
    assert all(line.numbers() == [1] for line in lines)


def test_the_root_may_be_removed_meanwhile(local: LocalStore) -> None:
    """The next save makes it again with all it was given, and its number goes on."""
    line = line_of(local)
    save(line, a=(1, 2), b=(3, 4))
    shutil.rmtree(local.root)
    checkpoint = save(line, a=(1, 2), b=(3, 4))
    assert checkpoint.number == 2
    line.retain()
    assert values(line, line_of(local).newest()) == {"a": (1, 2), "b": (3, 4)}


def test_a_carried_slot_whose_pack_is_gone_gets_its_newest_whole_value(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is lost where there was something, and it is said."""
    line = line_of(store)
    save(line, a=(1, 1))
    first = set(packs(store))
    second = save(line, a=(2, 2))
    store.delete(set(packs(store)) - first)
    checkpoint = line.commit({"a": second.slots["a"], "b": fresh(1)}, parent=2, reason="manual")
    assert values(line, checkpoint) == {"a": (1, 1), "b": 1}
    assert "'a'" in caplog.text


def test_a_carried_slot_that_is_nowhere_else_keeps_its_reference(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """A lost pack may come back from a backup; until then the other slots are saved, and old ones go."""
    line = line_of(store, keep=1)
    old = save(line, a=(1, 1))
    pack = packs(store)[0]
    bytes_of_it = store.read(pack)
    store.delete([pack])
    checkpoint = old
    for n in range(3):
        checkpoint = line.commit({"a": old.slots["a"], "b": fresh((n, n))}, parent=1, reason="manual")
        line.retain()
        assert value(line, checkpoint, "b") == (n, n)
    assert line.numbers() == [4]
    assert f"are gone from {store.url}/job/rank-00000/" in caplog.text
    store.put(pack, bytes_of_it)
    assert value(line, checkpoint, "a") == (1, 1)


class Failing(LocalStore):
    """A local store whose writes fail when they are told to."""

    failing: Callable[[], None] | None = None
    after = False

    def put(self, key: str, data: bytes | bytearray | memoryview) -> None:
        """Fail before or after the write."""
        if self.after:
            super().put(key, data)
        if self.failing is not None:
            self.failing()
        super().put(key, data)


def no_space() -> None:
    """Say that the disk is full."""
    raise StoreError("no space", url="") from OSError(errno.ENOSPC, "no space")


def interrupt() -> None:
    """Do as Ctrl-C does."""
    raise KeyboardInterrupt


@pytest.mark.parametrize("failing", [no_space, interrupt])
def test_a_manifest_that_cannot_be_written_leaves_no_pack(
    local: LocalStore, failing: Callable[[], None]
) -> None:
    """A full disk is not filled further; the next save succeeds."""
    store = Failing(local.root)
    line = line_of(store)
    save(line, a=(1,))
    store.failing = failing
    with pytest.raises((StoreError, KeyboardInterrupt)):
        save(line, a=(2,), large=os.urandom(100_000))
    store.failing = None
    assert line.numbers() == [1]
    assert len(packs(store)) == 1
    assert values(line, line_of(store).newest()) == {"a": (1,)}
    assert save(line, a=(2,)).number == 2


def test_a_manifest_that_is_there_though_not_acknowledged_keeps_its_pack(local: LocalStore) -> None:
    """When the folder could not be synchronised, the checkpoint may be there all the same, whole."""
    store = Failing(local.root)
    line = line_of(store)
    store.after, store.failing = True, no_space
    with pytest.raises(StoreError):
        save(line, a=(2,))
    store.after, store.failing = False, None
    assert values(line, line_of(store).newest()) == {"a": (2,)}
    assert save(line, a=(3,)).number == 2
    assert all(finding.good for finding in line.verify())


def test_a_number_that_is_taken_is_never_written_over(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that got past the lease still destroys nothing."""
    line = line_of(store)
    save(line, n=1)
    before = store.read(manifest(1))
    monkeypatch.setattr(line, "numbers", list)
    line._last = 0
    with pytest.raises(StoreError):
        save(line, n=2)
    assert store.read(manifest(1)) == before


def test_a_reader_is_not_fooled_by_retention(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """When all that was listed is gone by the time it is read, what is there now is read."""
    line = line_of(store)
    for n in range(1, 4):
        save(line, n=n)
    store.delete([manifest(1), manifest(2)])
    reader = line_of(store)
    listings = iter([[1, 2], [1, 2], [1, 2, 3]])
    monkeypatch.setattr(reader, "numbers", lambda: next(listings))
    assert values(reader, reader.newest()) == {"n": 3}


def test_a_listing_of_what_is_not_there_is_no_new_beginning(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a store whose listings are old, a program learns that it cannot go on, and not that it never ran."""
    line = line_of(store)
    save(line, n=1)
    monkeypatch.setattr(line, "numbers", lambda: [7, 8])
    with pytest.raises(DamagedError, match=r"job/rank-00000/checkpoints/ in .* each was gone") as caught:
        line.newest()
    assert caught.value.key == "job/rank-00000/checkpoints/"


def test_the_program_is_described(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who looks at a checkpoint sees what wrote it; a description of one's own is taken instead."""
    import numpy as np

    monkeypatch.setattr("sys.argv", ["train.py", "--lr", "0.1"])
    line = line_of(store)
    checkpoint = save(line, n=np.zeros(1))
    assert checkpoint.program["argv"] == ["train.py", "--lr", "0.1"]
    packages = checkpoint.program["packages"]
    assert isinstance(packages, dict)
    assert {"lattice-addons", "numpy"} <= packages.keys()
    own: Checkpoint = line.commit({}, parent=1, reason="edit", program={"argv": []})
    assert line_of(store).load(2).program == own.program == {"argv": []}


def test_raw_buffers_read_back_writable(store: Store) -> None:
    """They become the memory of arrays."""
    line = line_of(store)
    entry = line.commit({"a": raw(bytearray(b"abc"))}, parent=None, reason="manual").slots["a"]
    buffer = line.read(entry)[1][0]
    buffer[0] = 0
    assert contents(line, entry) == [b"abc"]
