"""An encrypted line is retained, pruned, rewritten and repaired like any other, and one that was not becomes one."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lattice_addons.checkpoint import prune, repair
from lattice_addons.errors import WrongKeyError
from tests.unit.checkpoint.encrypted import MARKER, OTHER, encrypted, locks, showing
from tests.unit.checkpoint.lines import contents, fresh, line_of, manifest, packs, raw, save, values

if TYPE_CHECKING:
    from pathlib import Path

    from lattice_addons.checkpoint import Entry, Fresh
    from lattice_addons.storage import LocalStore, Store

RANDOM = np.random.default_rng(5)


def test_a_store_that_gets_a_key_goes_on_encrypted(store: Store) -> None:
    """What was there is read; what is saved from then on is encrypted, also where it has not changed."""
    line = line_of(store, keep=1)
    save(line, text=MARKER * 5000, n=1)
    line.release()
    line = encrypted(store, keep=1)
    checkpoint = line.newest()
    assert values(line, checkpoint) == {"text": MARKER * 5000, "n": 1}
    assert locks(save(line, text=MARKER * 5000, n=2)) == [True]
    line.retain()
    assert showing(store) == []


def test_values_that_nobody_asks_for_are_encrypted_in_time(store: Store) -> None:
    """What is carried forward by reference is encrypted beside the program, and the old bytes go."""
    line = line_of(store, keep=1)
    save(line, text=MARKER * 5000, array=np.frombuffer((MARKER * 40_000).encode(), "u1"))
    line.release()
    line = encrypted(store, keep=1)
    for n in range(4):
        checkpoint = line.newest()
        assert checkpoint is not None
        line.commit({**checkpoint.slots, "n": fresh(n)}, parent=None, reason="manual")
        line.retain()
    checkpoint = line.newest()
    assert checkpoint is not None
    assert all(locks(checkpoint))
    assert values(line, checkpoint)["text"] == MARKER * 5000
    assert showing(store) == []
    assert len(packs(store)) == 1


def test_dead_space_is_reclaimed_in_encrypted_packs(store: Store) -> None:
    """Chunks are moved as they are, and read back."""
    line = encrypted(store, keep=1)
    small = RANDOM.bytes(10_000)
    line.commit({"small": raw(small), "large": raw(RANDOM.bytes(3_000_000))}, parent=None, reason="manual")
    for _ in range(3):
        line.commit({"small": raw(small), "other": raw(b"x" * 9)}, parent=None, reason="manual")
        line.retain()
    checkpoint = line.newest()
    assert checkpoint is not None
    assert contents(line, checkpoint.slots["small"]) == [small]
    assert sum(store.size(key) for key in packs(store)) < 100_000


def test_damage_in_a_pack_is_repaired_from_another(local: LocalStore) -> None:
    """A chunk that lies in two packs has, at each place, what opens it there."""
    save(encrypted(local), text=MARKER * 5000)
    first = packs(local)[0]
    data = local.read(first)
    local.replace(first, b"\0" * len(data))
    line = encrypted(local)
    assert [finding.good for finding in line.verify()] == [False]
    line.acquire()
    with pytest.raises(ValueError, match="damaged"):
        values(line, line.load(1))
    save(line, text=MARKER * 5000)
    line.release()
    assert [each.outcome for each in repair(encrypted(local))] == ["repaired"]
    line = encrypted(local)
    assert values(line, line.load(1)) == {"text": MARKER * 5000}
    assert showing(local) == []


def test_names_of_checkpoints_are_encrypted(store: Store) -> None:
    """What people call a checkpoint says something about it."""
    line = encrypted(store)
    save(line, n=1)
    line.keeps.put(1, MARKER)
    assert encrypted(store).keeps.names() == {1: MARKER}
    assert showing(store) == []
    assert encrypted(store, None).keeps.numbers() == {1}
    for secret in (None, OTHER):
        with pytest.raises(WrongKeyError):
            encrypted(store, secret).keeps.names()


def test_old_names_are_read_with_a_key(store: Store) -> None:
    """A store that had names before it had a key."""
    save(line_of(store), n=1)
    line_of(store).keeps.put(1, "best")
    assert encrypted(store).keeps.names() == {1: "best"}


def test_retention_and_pruning_go_on(store: Store) -> None:
    """Who has the key deletes what need not stay."""
    line = encrypted(store, keep=2)
    for n in range(5):
        save(line, n=n, data=encode_random(n))
    line.release()
    again = encrypted(store, keep=2)
    assert len(prune(again).goes) == 3
    assert again.numbers() == [4, 5]


def encode_random(n: int) -> bytes:
    """Give bytes that are others each time."""
    return np.random.default_rng(n).bytes(2000)


def test_manifests_and_packs_are_the_owners_alone(local: LocalStore, tmp_path: Path) -> None:
    """As without a key."""
    save(encrypted(local), text=MARKER * 5000)
    files = [path for path in (tmp_path / "store").rglob("*") if path.suffix in (".json", ".pack")]
    assert len(files) >= 2
    assert all(stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 for path in files)


def test_what_is_there_encrypted_is_found_beside_what_is_not(store: Store) -> None:
    """The same bytes lie in two packs; what is saved next refers to the encrypted ones."""
    texts = {f"{n}": f"{MARKER} {n} " * 5000 for n in range(8)}
    line = line_of(store)
    old = save(line, **texts)
    line.release()
    line = encrypted(store)
    both: dict[str, Fresh | Entry] = {
        **old.slots,
        **{f"new {name}": fresh(text) for name, text in texts.items()},
    }
    line.commit(both, parent=None, reason="manual")
    line.release()
    before = packs(store)
    save(encrypted(store), **texts)
    assert packs(store) == before


def test_older_ones_of_another_key_are_left_alone(store: Store) -> None:
    """By retention, which would delete damaged ones, and by repair, which would put them aside."""
    other = encrypted(store, OTHER)
    save(other, n=1)
    other.release()
    text = store.read(manifest(1))
    store.delete([manifest(1)])
    line = encrypted(store, keep=1)
    for n in range(2, 5):
        save(line, n=n)
    line.release()
    store.replace(manifest(1), text)
    again = encrypted(store, keep=1)
    assert [each.outcome for each in repair(again)] == ["lost"]
    prune(again)
    last = again.numbers()[-1]
    assert again.numbers() == [1, last]
    assert store.read(manifest(1)) == text
    assert values(again, again.newest()) == {"n": 4}
