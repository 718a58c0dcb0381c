"""Parts that are on another machine, on their way, or in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lattice_addons.checkpoint import Instant, Line, Part, chosen
from lattice_addons.checkpoint._attempts import Attempts
from lattice_addons.checkpoint._parts import Parts
from lattice_addons.checkpoint._ranks import Ranks
from lattice_addons.errors import RanksError
from lattice_addons.settings import Settings
from lattice_addons.storage import MemoryStore, SpooledStore
from tests.unit.checkpoint.lines import damage, line_of
from tests.unit.checkpoint.portables import export, take_in
from tests.unit.checkpoint.test_parts import commit, joined, over, part
from tests.unit.storage.spool.machines import Machine, restart

if TYPE_CHECKING:
    from pathlib import Path

    from lattice_addons.storage import Store


def two_ranks(machine: Machine) -> list[Line]:
    """Give the lines of two ranks on one machine, of which each keeps one checkpoint."""
    lines = [Line(machine.store, "job", rank, settings=Settings(keep=1)) for rank in (0, 1)]
    for line in lines:
        line.acquire()
    return lines


def test_what_another_rank_has_not_sent_is_not_relied_on(tmp_path: Path) -> None:
    """Of two ranks on one machine none deletes what the job needs while the other's is only in the spool."""
    machine = Machine(tmp_path, "a")
    lines = two_ranks(machine)
    for line in lines:
        commit(line, part(1))
    machine.send()
    for line in lines:
        commit(line, part(2))
        line.retain()
    assert [line.numbers() for line in lines] == [[1, 2], [1, 2]]
    machine.send()
    for line in lines:
        line.together._look_again = 0.0
        line.retain()
        line.release()
    assert [line.numbers() for line in lines] == [[2], [2]]


@pytest.mark.parametrize("answers", [True, False])
def test_start_carries_on_from_what_all_machines_see(tmp_path: Path, *, answers: bool) -> None:
    """What is in the spool of another rank, which may run elsewhere now, is waited for, and else passed over."""
    machine = Machine(tmp_path, "a")
    lines = two_ranks(machine)
    for line in lines:
        commit(line, part(1))
    machine.send()
    for line in lines:
        commit(line, part(2))
    if answers:
        machine.store.uploader.settle = lambda *_: machine.send()  # type: ignore[method-assign]
    resume = Ranks(lines[0], 2, None, unique=False).resume
    assert resume is not None
    assert resume.instant == Instant(step=2 if answers else 1)
    for line in lines:
        line.release()


def test_newest_attempt_counts_though_its_record_is_damaged(store: Store) -> None:
    """What all ranks have of it is newer than what the records before it say."""
    for step in (1, 2):
        ranks = joined(store, 2, keep=9)
        for each in ranks:
            commit(each.line, part(step, attempt=step))
        over(ranks)
    damage(store, "job/attempts/000002.json", at=5)
    line = line_of(store)
    found = Parts(line).newest(Attempts(line).all())
    assert found is not None
    assert (found.attempt, found.instant) == (2, Instant(step=2))


def test_parts_are_taken_in_where_the_job_is_not_further(store: Store, tmp_path: Path) -> None:
    """Those of all ranks make a checkpoint of another job; into a job that is further they are refused."""
    ranks = joined(store, 2)
    other = MemoryStore(f"other-{tmp_path}")
    for rank, each in enumerate(ranks):
        path = export(each.line, each.line.load(commit(each.line, part(7))), tmp_path / f"{rank}.tar")
        with pytest.raises(RanksError, match="into a job of its own, by --job NAME"):
            take_in(each.line, path)
        copy = line_of(other, rank=rank)
        take_in(copy, path)
        copy.release()
    over(ranks)
    ranks = joined(other, 2)
    assert [each.resume.instant for each in ranks if each.resume] == [Instant(step=7)] * 2
    over(ranks)


def test_part_that_was_put_aside_is_not_chosen(tmp_path: Path) -> None:
    """The other ranks went on without it: it would hide what this one has of what they carry on from."""
    a = restart(tmp_path, "a")
    commit(a.line, part(1))
    a.send()
    commit(a.line, part(2))
    a.vanish()
    b = restart(tmp_path, "b")
    commit(b.line, Part(2, 2, Instant(step=2), counts=True))
    b.end()
    a = restart(tmp_path, "a")
    assert isinstance(a.store, SpooledStore)
    [aside] = a.store.asides.of(a.line.folder)
    with pytest.raises(RanksError, match="`lattice choose job remote` removes it"):
        chosen(a.line, a.store, aside)
    assert a.line.numbers() == [1, 2]
    a.end()
