"""A checkpoint with a name stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lattice_addons.checkpoint import clear, prunable, prune
from lattice_addons.errors import LeaseHeldError, NotInStoreError, SettingsError, StoreError
from lattice_addons.storage import MemoryStore
from tests.unit.checkpoint.lines import FOLDER, damage, line_of, manifest, packs, save, values

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lattice_addons.storage import Store


def test_a_named_one_stays_until_its_name_is_taken(store: Store) -> None:
    """Another process gives and takes names beside the one that writes."""
    line, other = line_of(store, keep=1), line_of(store)
    save(line, n=(1, 1))
    other.keeps.put(1, "before  lr change")
    for n in range(2, 5):
        save(line, n=(n, n))
        line.retain()
    assert line.numbers() == [1, 4]
    assert values(line, line.load(1)) == {"n": (1, 1)}
    assert other.keeps.names() == {1: "before lr change"}
    other.keeps.put(1, "better name")
    assert other.keeps.names() == {1: "better name"}
    other.keeps.drop(1)
    line.retain()
    assert line.numbers() == [4]
    assert len(packs(store)) == 1


def test_a_name_that_cannot_be_read_counts(store: Store) -> None:
    """That the file is there says that the checkpoint stays."""
    line = line_of(store, keep=1)
    save(line, n=1)
    line.keeps.put(1, "name")
    damage(store, FOLDER + "kept/000000000001.json", 0)
    save(line, n=2)
    line.retain()
    assert line.numbers() == [1, 2]
    assert line.keeps.names() == {1: ""}


def test_what_is_not_there_gets_no_name(store: Store) -> None:
    """Nor is one taken off that is not there; and not everything is a name."""
    line = line_of(store)
    save(line, n=1)
    with pytest.raises(NotInStoreError, match="no checkpoint 7"):
        line.keeps.put(7, "name")
    with pytest.raises(NotInStoreError, match="has no name"):
        line.keeps.drop(1)
    for name in ("", "  ", "\x1b[31m", "x" * 201):
        with pytest.raises(SettingsError, match="is no name"):
            line.keeps.put(1, name)
    assert line.keeps.names() == {}


def test_a_name_given_while_it_is_decided_counts(store: Store) -> None:
    """Up to the last moment before it is deleted."""
    line = line_of(store, keep=1)
    for n in range(1, 4):
        save(line, n=(n, n))
    steps = line.tidying().retain(())
    next(steps)  # the newest is about to be read back
    next(steps)  # it is known what need not stay
    line_of(store).keeps.put(2, "just in time")
    for _ in steps:
        pass
    assert line.numbers() == [2, 3]
    assert values(line, line.load(2)) == {"n": (2, 2)}


def test_a_job_is_cleared_with_its_names(store: Store) -> None:
    """Nothing is left of it."""
    line = line_of(store)
    save(line, n=1)
    line.keeps.put(1, "name")
    line.release()
    assert clear(store, "job") == 1
    assert store.list() == []


def test_pruning_says_before_what_it_does(store: Store) -> None:
    """Which checkpoints and packs, and how many bytes come back; without a lease, and changing nothing."""
    line = line_of(store)
    for n in range(1, 6):
        save(line, n=(n, "x" * 100_000))
    line.keeps.put(2, "two")
    store.put(FOLDER + "packs/01ARZ3NDEKTSV4RRFFQ69G5FAV.pack", b"left by a dead process")
    keys = store.list()
    told = prunable(line_of(store, keep=2))
    assert (told.goes, told.stays, told.packs) == ((1, 3), (2, 4, 5), 3)
    assert store.list() == keys
    with pytest.raises(LeaseHeldError):
        prune(line_of(store, keep=2))
    line.release()
    size = sum(store.size(key) for key in keys if "lease" not in key)
    assert prune(line_of(store, keep=2)) == told
    assert size - sum(map(store.size, store.list())) == told.bytes
    assert line.numbers() == [2, 4, 5]
    assert prunable(line_of(store, keep=2)).bytes == 0


def test_nothing_is_prunable_while_the_newest_is_damaged(store: Store) -> None:
    """As nothing is deleted then."""
    line = line_of(store)
    for n in range(1, 4):
        save(line, n=(n, n))
    line.release()
    damage(store, manifest(3), 50)
    told = prunable(line_of(store, keep=1))
    assert told.goes == prune(line_of(store, keep=1)).goes
    assert 2 in told.stays
    assert 3 in told.stays


class Failing(MemoryStore):
    """A store that cannot delete for a while, or whose process dies after so many deletions."""

    stuck = False
    left = 10**9

    def delete(self, keys: Iterable[str]) -> None:
        """Remove keys, or fail."""
        if self.stuck:
            raise StoreError("cannot delete", url=self.url)
        super().delete(keys)
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("stays", ["named", "protected"])
def test_what_could_not_be_deleted_and_got_a_name_stays(stays: str) -> None:
    """With its packs: it was to be deleted once, and that is taken back."""
    store = Failing(f"back {stays}")
    line = line_of(store, keep=1)
    save(line, n=(1, 1))
    save(line, n=(2, 2))
    store.stuck = True
    line.tidier.now()
    store.stuck = False
    assert line.numbers() == [1, 2]
    if stays == "named":
        line_of(store).keeps.put(1, "precious")
    else:
        line.protected = frozenset([1])
    for n in (3, 4):
        save(line, n=(n, n))
        assert line.tidier.now()
    assert line.numbers() == [1, 4]
    assert values(line, line.load(1)) == {"n": (1, 1)}
    assert len(packs(store)) == 2


def test_what_is_protected_within_a_turn_stays(store: Store) -> None:
    """The program carries on from another one while it is found out what need not stay, or a moment later."""
    for steps_before in (1, 2):
        line = line_of(store, job=f"job{steps_before}", keep=1)
        for n in range(1, 4):
            save(line, n=(n, n))
        turn = line.tidying().retain(())
        for _ in range(steps_before):
            next(turn)
        line.protected = frozenset([2])
        for _ in turn:
            pass
        assert line.numbers() == [2, 3]
        assert values(line, line.load(2)) == {"n": (2, 2)}


def test_a_named_one_that_cannot_be_read_is_not_prunable(store: Store) -> None:
    """It would not go, so it is not said to."""
    line = line_of(store)
    for n in range(1, 4):
        save(line, n=(n, n))
    line.keeps.put(1, "precious")
    line.release()
    damage(store, manifest(1), 50)
    told = prunable(line_of(store, keep=1))
    assert (told.goes, told.stays) == ((2,), (1, 3))
    assert prune(line_of(store, keep=1)) == told


def test_a_clearing_that_dies_leaves_no_name() -> None:
    """It would be that of another checkpoint."""
    store = Failing("clearing")
    line = line_of(store)
    save(line, n=1)
    line.keeps.put(1, "name")
    line.release()
    store.left = 1
    with pytest.raises(KeyboardInterrupt):
        clear(store, "job")
    assert line_of(store).keeps.numbers() == set()
