"""What lives in mostly dead packs is copied to a new one, which the next checkpoint names."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.unit.checkpoint.lines import damage, fresh, line_of, packs, raw, save, value

if TYPE_CHECKING:
    from lattice_addons.checkpoint import Checkpoint, Entry, Fresh, Line
    from lattice_addons.storage import Store

PAGES = os.urandom(70_000)  # not compressible, and large enough to be mapped
SMALL = ("never changes", "x" * 1000)


def sparse(line: Line) -> Checkpoint:
    """Commit a large dead value and small living ones in one pack; give the newest checkpoint."""
    first = line.commit(
        {
            "small": fresh(SMALL),
            "odd": raw(os.urandom(65_537)),
            "pages": raw(PAGES),
            "squeezable": fresh(["text"] * 30_000),
            "dead": raw(os.urandom(2**20)),
        },
        parent=None,
        reason="manual",
    )
    living = {name: entry for name, entry in first.slots.items() if name != "dead"}
    return line.commit(living, parent=1, reason="manual")


def is_whole(line: Line, checkpoint: Checkpoint) -> bool:
    """Say whether the living values are what they were."""
    pages = bytes(line.read(checkpoint.slots["pages"])[1][0])
    squeezable = value(line, checkpoint, "squeezable")
    return value(line, checkpoint, "small") == SMALL and pages == PAGES and squeezable == ["text"] * 30_000


def test_the_next_checkpoint_names_the_new_pack_and_the_old_goes(store: Store) -> None:
    """Also what is compressed, and what begins on a page, is what it was."""
    line = line_of(store, keep=1)
    second = sparse(line)
    (old,) = packs(store)
    line.retain()
    assert is_whole(line, second)
    assert len(packs(store)) == 2
    third = line.commit(second.slots, parent=2, reason="manual")
    assert third.metrics["bytes_written"] == 0
    assert is_whole(line, third)
    assert next(third.slots["pages"].chunks()).offset % 4096 == 0
    line.retain()
    assert old not in packs(store)
    assert len(packs(store)) == 1
    assert is_whole(line, third)
    assert store.size(packs(store)[0]) < 2**18
    # Nothing is left to be moved.
    line.retain()
    line.commit(third.slots, parent=3, reason="manual")
    line.retain()
    assert len(packs(store)) == 1


def test_a_pack_that_no_checkpoint_came_to_name_is_swept(store: Store) -> None:
    """After a crash, by the next start; its chunks are in the old pack as well."""
    line = line_of(store, keep=1)
    sparse(line)
    line.retain()
    both = packs(store)
    line.retain()
    assert packs(store) == both
    assert len(both) == 2
    line.release()
    line = line_of(store, keep=1)
    line.sweep()
    assert len(packs(store)) == 1
    assert is_whole(line, line.load(2))


def test_a_pack_that_was_rewritten_in_vain_goes(store: Store) -> None:
    """The checkpoint after it does not have the value any more."""
    line = line_of(store, keep=1)
    sparse(line)
    line.retain()
    save(line, other=("value", 1))
    line.retain()
    assert len(packs(store)) == 1


def test_damaged_bytes_are_not_moved(store: Store) -> None:
    """They stay what they are; what is good is moved."""
    line = line_of(store, keep=1)
    second = sparse(line)
    (old,) = packs(store)
    line.release()
    chunk = next(second.slots["small"].chunks())
    damage(store, old, chunk.offset)
    line = line_of(store, keep=1)
    line.retain()
    third = line.commit(line.load(2).slots, parent=2, reason="manual")
    assert next(third.slots["small"].chunks()).pack == chunk.pack
    assert next(third.slots["pages"].chunks()).pack != chunk.pack


def test_a_turn_that_is_broken_off_leaves_no_half_pack(store: Store) -> None:
    """Wherever it is broken off, what it has written by then goes with the next turn, and nothing is missing."""
    line = line_of(store, keep=1)
    sparse(line)
    line.retain(rewriting=False)
    for steps in range(1, 30):
        line.release()
        line = line_of(store, keep=1)
        line.sweep()
        turn = line.tidying().rewrite()
        taken = sum(1 for _ in zip(range(steps), turn, strict=False))
        turn.close()
        assert is_whole(line, line.load(2))
        if taken < steps:
            assert steps > 4
            return
        line.sweep()
        assert len(packs(store)) == 1
    pytest.fail("rewriting does not end")


@pytest.mark.one_python
def test_many_small_packs_become_one(store: Store) -> None:
    """A program that adds a little at each save does not have a pack for each for ever."""
    line = line_of(store, keep=1)
    slots: dict[str, Fresh | Entry] = {}
    for n in range(100):
        made = line.commit({**slots, f"n{n}": fresh((n, "own"))}, parent=None, reason="manual")
        slots = dict(made.slots)
        if n % 20 == 0:
            line.retain()
    for _ in range(2):
        slots = dict(line.commit(slots, parent=None, reason="manual").slots)
        line.retain()
    assert len(packs(store)) < 70
    newest = line.newest()
    assert newest is not None
    assert value(line, newest, "n0") == (0, "own")


@pytest.mark.one_python
def test_no_more_than_64_mib_at_once(memory: Store) -> None:
    """The rest is moved by later turns."""
    line = line_of(memory, keep=1)
    living = {f"a{n}": raw(os.urandom(4 * 2**20)) for n in range(17)}
    dead = {f"d{n}": raw(os.urandom(4 * 2**20)) for n in range(20)}
    first = line.commit(living | dead, parent=None, reason="manual")
    checkpoint = line.commit({name: first.slots[name] for name in living}, parent=1, reason="manual")
    moved = []
    for _ in range(2):
        line.retain()
        checkpoint = line.commit(checkpoint.slots, parent=1, reason="manual")
        old = {next(entry.chunks()).pack for entry in first.slots.values()}
        moved.append(sum(chunk.pack not in old for chunk in checkpoint.chunks()))
    assert moved == [16, 17]
    line.retain()
    assert sum(map(memory.size, packs(memory))) == 17 * 4 * 2**20


def test_making_room_rewrites_nothing(store: Store) -> None:
    """The disk is full: a copy would take what was given back, and more."""
    line = line_of(store, keep=1)
    save(line, gone=os.urandom(300_000))
    sparse(line)
    before = set(packs(store))
    assert line.make_room()
    assert set(packs(store)) < before
    line.tidier.now()
    assert set(packs(store)) - before
