"""Verification reads every byte and names what is damaged; jobs are listed and cleared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons.checkpoint import clear, jobs, ranks
from lattice_addons.errors import DamagedError
from tests.unit.checkpoint.lines import damage, line_of, manifest, packs, save

if TYPE_CHECKING:
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
