"""Verification reads every byte and names what is damaged; jobs are listed and cleared."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from lattice_addons.checkpoint import clear, jobs, ranks
from lattice_addons.errors import DamagedError
from tests.unit.checkpoint.lines import damage, line_of, manifest, packs, raw, save

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lattice_addons.checkpoint import Entry
    from lattice_addons.storage import LocalStore, Store


def test_every_slot_of_every_checkpoint_is_told(store: Store) -> None:
    """Good ones too, so that a reader can count them."""
    line = line_of(store)
    save(line, a=1, b=(1, 2))
    line.commit({}, parent=1, reason="complete")
    found = [(finding.number, finding.slot, finding.good) for finding in line.verify()]
    assert found == [(1, "a", True), (1, "b", True), (2, None, True)]


def test_damage_is_told_with_its_slot(store: Store) -> None:
    """Each slot that shares the damaged bytes is named, in each checkpoint; others are good."""
    line = line_of(store)
    first = save(line, a=1, b=(1, 2), c=(3, 4))
    line.commit(first.slots, parent=1, reason="manual")
    chunk = next(first.slots["b"].chunks())
    damage(store, packs(store)[0], chunk.offset + 1)
    bad = [finding for finding in line.verify() if not finding.good]
    assert [(finding.number, finding.slot) for finding in bad] == [(1, "b"), (2, "b")]
    assert all(
        isinstance(finding.error, DamagedError) and packs(store)[0] in str(finding.error) for finding in bad
    )


def test_a_damaged_manifest_is_one_finding(store: Store) -> None:
    """What it held cannot be told."""
    line = line_of(store)
    save(line, a=1)
    save(line, a=2)
    damage(store, manifest(1), 60)
    assert [(f.number, f.slot, f.good) for f in line.verify()] == [(1, None, False), (2, "a", True)]


def test_jobs_and_ranks_are_listed(store: Store) -> None:
    """What is no job is not."""
    for job, rank in (("b", 3), ("b", 0), ("a", 0)):
        save(line_of(store, job, rank), n=1)
    store.put("notes/readme.txt", b"")
    store.put("rank-00000", b"")
    assert jobs(store) == ["a", "b"]
    assert ranks(store, "b") == [0, 3]
    assert ranks(store, "nothing") == []


def test_a_cleared_job_is_gone_and_begins_afresh(store: Store) -> None:
    """All ranks of it, or one; other jobs stay."""
    lines = {(job, rank): line_of(store, job, rank) for job, rank in (("a", 0), ("a", 1), ("b", 0))}
    for line in lines.values():
        save(line, n=(1, 2))
        save(line, n=(2, 3))
        line.release()
    assert clear(store, "a", rank=1) == 2
    assert ranks(store, "a") == [0]
    assert clear(store, "a") == 2
    assert jobs(store) == ["b"]
    assert store.list("a") == []
    assert lines["a", 0].newest() is None
    assert clear(store, "nothing") == 0


def test_clearing_leaves_no_folders(local: LocalStore) -> None:
    """The root looks as if the job had never been."""
    line = line_of(local)
    save(line, n=(1, 2))
    line.release()
    clear(local, "job")
    assert local.folders() == []


def test_progress_is_told_up_to_the_last_byte(store: Store) -> None:
    """Each byte is counted once, however many checkpoints have it, and damaged ones too."""
    line = line_of(store)
    first = save(line, a=(1, 2), b=os.urandom(3_000_000), c=os.urandom(100))
    line.commit(first.slots, parent=1, reason="manual")
    damage(store, packs(store)[0], next(first.slots["b"].chunks()).offset)
    told: list[tuple[int, int]] = []
    assert len([*line.verify(lambda done, total: told.append((done, total)))]) == 6
    stored = sum(chunk.extent for chunk in set(first.chunks()))
    assert {total for _, total in told} == {stored}
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    assert told[-1] == (stored, stored)


@pytest.mark.parametrize("cut", [0, 1, 5000, 4_500_000])
def test_a_pack_that_was_cut_off_damages_what_lay_there(store: Store, cut: int) -> None:
    """And nothing else; one that is gone damages all."""
    line = line_of(store)
    slots = {f"{number}": raw(os.urandom(1_000_000)) for number in range(6)}
    entries = line.commit(slots, parent=None, reason="manual").slots
    [pack] = packs(store)
    whole = store.read(pack)
    store.replace(pack, whole[: len(whole) - cut])
    lost = {name for name, entry in entries.items() if _end(entry) > len(whole) - cut}
    assert {finding.slot for finding in line.verify() if not finding.good} == lost
    store.delete([pack])
    assert {finding.slot for finding in line.verify() if not finding.good} == set(slots)


def _end(entry: Entry) -> int:
    return max(chunk.offset + chunk.extent for chunk in entry.chunks())


def test_a_disk_that_fails_damages_only_what_it_fails_for(
    local: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was to be read together with it is read alone."""
    line = line_of(local)
    slots = {f"{number}": raw(os.urandom(10_000)) for number in range(9)}
    entries = line.commit(slots, parent=None, reason="manual").slots
    bad = next(entries["4"].chunks()).offset + 5000
    preadv = os.preadv

    def failing(descriptor: int, buffers: Sequence[memoryview], at: int) -> int:
        if at <= bad < at + sum(len(buffer) for buffer in buffers):
            raise OSError(5, "Input/output error")
        return preadv(descriptor, buffers, at)

    monkeypatch.setattr(os, "preadv", failing)
    assert [finding.slot for finding in line.verify() if not finding.good] == ["4"]
