"""What need not stay is deleted, manifests first, and only when the newest reads back."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from lattice_addons.checkpoint._catalog import Record
from lattice_addons.checkpoint._retention import kept
from lattice_addons.errors import DamagedError, StoreError
from lattice_addons.settings import Settings
from lattice_addons.storage import LocalStore
from tests.unit.checkpoint.lines import (
    damage,
    forge,
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
    from collections.abc import Iterable
    from pathlib import Path

    from lattice_addons.checkpoint import Line
    from lattice_addons.storage import Store


def test_the_newest_stay_and_the_packs_that_they_name(store: Store) -> None:
    """A pack goes with the last checkpoint that names it."""
    line = line_of(store, keep=2)
    first = save(line, shared=("shared",), own=(1, 1))
    for n in range(2, 6):
        line.commit({"shared": first.slots["shared"], "own": fresh((n, n))}, parent=n - 1, reason="manual")
        line.retain()
    assert line.numbers() == [4, 5]
    assert len(packs(store)) == 3
    assert [values(line, line.load(n)) for n in (4, 5)] == [
        {"shared": ("shared",), "own": (n, n)} for n in (4, 5)
    ]


def test_a_protected_one_stays(store: Store) -> None:
    """What a process carries on from is read lazily, and must be there for that."""
    line = line_of(store, keep=1)
    for n in range(1, 5):
        save(line, n=(n, n))
        line.retain(2)
    assert line.numbers() == [2, 4]
    assert values(line, line.load(2)) == {"n": (2, 2)}
    line.retain()
    assert line.numbers() == [4]
    assert len(packs(store)) == 1


def records(times: Iterable[str]) -> dict[int, Record]:
    """Give checkpoints that were made at these times, numbered."""
    return {number: Record(created, frozenset()) for number, created in enumerate(times, start=1)}


def test_the_last_of_each_hour_and_day_stays() -> None:
    """As in restic: of the newest hours and days that have one."""
    times = [
        "2026-03-01T10:00:00Z", "2026-03-01T11:00:00Z", "2026-03-02T10:10:00Z", "2026-03-02T10:50:00Z",
        "2026-03-04T01:00:00Z", "2026-03-04T02:00:00Z", "2026-03-04T02:30:00Z",
    ]  # fmt: skip
    assert kept(records(times), Settings(keep=1)) == {7}
    assert kept(records(times), Settings(keep=1, keep_hourly=3)) == {7, 5, 4}
    assert kept(records(times), Settings(keep=1, keep_daily=2)) == {7, 4}
    assert kept(records(times), Settings(keep=1, keep_daily=9, keep_hourly=1)) == {7, 4, 2}


def test_a_clock_that_is_set_back_deletes_no_newer_one() -> None:
    """The newest are the largest numbers."""
    times = ["2026-03-05T00:00:00Z", "2026-03-04T00:00:00Z", "2026-01-01T00:00:00Z", "1970-01-01T00:00:00Z"]
    assert kept(records(times), Settings(keep=2, keep_daily=1)) == {3, 4}
    assert kept(records(times), Settings(keep=1, keep_daily=9)) == {1, 2, 3, 4}


@pytest.mark.parametrize("harm", ["flipped", "short", "missing", "manifest"])
def test_nothing_is_deleted_when_the_newest_does_not_read_back(
    store: Store, harm: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The older one is all that there is then."""
    line = line_of(store, keep=1)
    save(line, n=(1, 1))
    before = set(packs(store))
    save(line, n=(2, 2))
    (pack,) = set(packs(store)) - before
    if harm == "flipped":
        damage(store, pack, 3)
    elif harm == "short":
        store.replace(pack, store.read(pack)[:-1])
    elif harm == "missing":
        store.delete([pack])
    else:
        damage(store, manifest(2), 50)
    line.retain()
    assert line.numbers() == [1, 2]
    assert values(line, line.load(1)) == {"n": (1, 1)}
    assert "no older one is deleted" in caplog.text
    assert values(line, save(line, n=(2, 2))) == {"n": (2, 2)}
    line.retain()
    assert line.numbers() == [3]


@pytest.mark.parametrize("harm", ["flipped", "missing"])
def test_the_last_good_value_of_a_carried_slot_stays(store: Store, harm: str) -> None:
    """Its newest bytes are damaged and nobody has asked for them: the older ones are all that there is."""
    line = line_of(store, keep=2)
    for n in range(1, 3):
        save(line, blob=(n, "x" * 1000), n=n, same=("s",))
    before = set(packs(store))
    last = save(line, blob=(3, "x" * 1000), n=3, same=("s",))
    (pack,) = set(packs(store)) - before
    if harm == "flipped":
        damage(store, pack, 3)
    else:
        store.delete([pack])
    line.release()

    line = line_of(store, keep=2)
    for n in range(4, 9):
        carried = {"blob": last.slots["blob"], "same": last.slots["same"]}
        last = line.commit({**carried, "n": fresh(n)}, parent=n - 1, reason="manual")
        line.retain()

    assert line.numbers()[-2:] == [7, 8]
    good = [number for number in line.numbers() if is_good(line, number, "blob")]
    assert value(line, line.load(good[-1]), "blob") == (2, "x" * 1000)
    assert len(line.numbers()) <= 3


def is_good(line: Line, number: int, name: str) -> bool:
    """Say whether a slot can be read."""
    try:
        value(line, line.load(number), name)
    except DamagedError:
        return False
    return True


def test_a_damaged_manifest_stays_until_all_that_is_kept_is_newer(store: Store) -> None:
    """And as long as it does, so do the packs that it may name."""
    first = line_of(store)
    for n in range(1, 4):
        save(first, n=(n, n))
    first.release()
    damage(store, manifest(2), 50)
    line = line_of(store, keep=3)
    line.sweep()
    assert len(packs(store)) == 3
    save(line, n=(4, 4))
    line.retain()
    assert line.numbers() == [1, 2, 3, 4]
    save(line, n=(5, 5))
    line.retain()
    assert line.numbers() == [3, 4, 5]
    assert len(packs(store)) == 3
    assert [finding.good for finding in line.verify()] == [True] * 3


def test_packs_written_after_a_damaged_manifest_can_go(store: Store) -> None:
    """It cannot name them, so they do not pile up beside it."""
    line = line_of(store, keep=1, keep_daily=9)
    save(line, n=(0, 0))
    line.release()
    forge(store, 1, store.read(manifest(1)).split(b'"created": "')[1][:10], b"2001-01-01")
    line = line_of(store, keep=1, keep_daily=9)
    save(line, n=(1, 1))
    damage(store, manifest(2), 50)
    line.release()
    line = line_of(store, keep=1, keep_daily=9)
    for n in range(2, 9):
        save(line, n=(n, n))
        line.retain()
    assert line.numbers() == [1, 2, 9]
    assert len(packs(store)) == 3


def test_nothing_of_a_newer_format_is_deleted(store: Store) -> None:
    """Nor any pack, which it may name."""
    line = line_of(store, keep=1)
    for n in range(1, 4):
        save(line, n=(n, n))
    line.release()
    forge(store, 2, b'"format": 1,', b'"format": 2,')
    line = line_of(store, keep=1)
    line.retain()
    assert line.numbers() == [2, 3]
    assert len(packs(store)) == 3


def test_a_sweep_removes_what_dead_writers_left(local: LocalStore) -> None:
    """Packs without a manifest, and temporaries."""
    line = line_of(local)
    save(line, n=(1, 1))
    good = packs(local)
    local.put("job/rank-00000/packs/01ARZ3NDEKTSV4RRFFQ69G5FAV.pack", b"half a pa")
    folder = os.path.join(local.root, "job/rank-00000/checkpoints")
    with open(os.path.join(folder, "01ARZ3NDEKTSV4RRFFQ69G5FAV.tmp"), "wb") as file:
        file.write(b"{")
    line.release()
    line_of(local).sweep()
    assert packs(local) == good
    assert os.listdir(folder) == ["000000000001.json"]


def test_a_file_of_somebody_elses_stays(store: Store) -> None:
    """Only what is named as a pack is one."""
    line = line_of(store, keep=1)
    store.put("job/rank-00000/packs/notes.txt", b"mine")
    save(line, n=(1, 1))
    line.retain()
    assert store.read("job/rank-00000/packs/notes.txt") == b"mine"


@pytest.mark.parametrize("again", ["carried", "fresh"])
def test_what_lives_in_a_pack_that_is_mostly_dead_is_moved(store: Store, again: str) -> None:
    """A small value that never changes does not keep a large dead pack for ever."""
    line = line_of(store, keep=1)
    small = fresh(("never changes",))
    checkpoint = line.commit({"small": small, "large": raw(os.urandom(2**20))}, parent=None, reason="manual")
    for n in range(3):
        slot = checkpoint.slots["small"] if again == "carried" else small
        checkpoint = line.commit({"small": slot, "large": raw(b"%d" % n)}, parent=1, reason="manual")
        line.retain()
    assert value(line, checkpoint, "small") == ("never changes",)
    assert sum(map(store.size, packs(store))) < 1000


def test_no_save_writes_what_is_moved(store: Store) -> None:
    """What lives in a mostly dead pack is copied before the next save, which only says where it is now."""
    line = line_of(store, keep=1)
    slots = {"small": fresh(("never changes",))}
    first = line.commit(slots | {"large": raw(os.urandom(2**20))}, parent=None, reason="manual")
    line.commit(slots, parent=1, reason="manual")
    line.retain()
    last = line.commit(slots, parent=2, reason="signal:SIGTERM")
    assert last.metrics["bytes_new"] == 0
    moved, before = (next(checkpoint.slots["small"].chunks()) for checkpoint in (last, first))
    assert (moved.digest, moved.pack == before.pack) == (before.digest, False)


class Stuck(LocalStore):
    """A local store in which nothing can be deleted."""

    def delete(self, keys: Iterable[str]) -> None:
        """Fail."""
        raise StoreError(f"cannot delete {list(keys)}", url=self.url)


def test_what_cannot_be_deleted_does_not_fail_the_save(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The checkpoint is committed; a warning tells of the rest."""
    store = Stuck(tmp_path / "store")
    line = line_of(store, keep=1)
    line.sweep()
    for n in range(3):
        save(line, n=(n, n))
        line.retain()
    assert line.numbers() == [1, 2, 3]
    assert caplog.text.count("could not delete old checkpoints") == 2
