"""Parts of several ranks make a checkpoint of the job when all of them are there, and only then."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from lattice_addons.checkpoint import END, UNNAMED, Instant, Line, Part, instants
from lattice_addons.checkpoint._attempts import Attempts
from lattice_addons.checkpoint._parts import Parts
from lattice_addons.checkpoint._ranks import Ranks
from lattice_addons.errors import DamagedError, FormatError, StoreError
from lattice_addons.storage import MemoryStore
from tests.unit.checkpoint.lines import damage, forge, fresh, line_of, manifest

if TYPE_CHECKING:
    from collections.abc import Callable

    from lattice_addons.storage import Store
    from lattice_addons.storage._store import Bytes, Keys


def commit(line: Line, part: Part | None) -> int:
    """Commit a part, and give its number."""
    return line.commit({"n": fresh(1)}, parent=None, reason="manual", part=part).number


def part(step: int, *, attempt: int = 1, world: int = 2, counts: bool = True) -> Part:
    """Give a part of this step."""
    return Part(world, attempt, Instant(0, step), counts)


@pytest.mark.parametrize(
    "instant",
    [Instant(), Instant(0, 0), Instant(0, 3, 2, 1), Instant(0, UNNAMED, 4, END)],
    ids=["first", "step", "all", "end"],
)
def test_part_comes_back_from_a_manifest(store: Store, instant: Instant) -> None:
    """What was written is read, and ordered as it was."""
    line = line_of(store)
    number = commit(line, Part(8, 3, instant, counts=False))
    assert line.load(number).part == Part(8, 3, instant, counts=False)
    assert Instant.from_told(instant.told()) == instant


def test_later_instants_are_larger() -> None:
    """Unnamed saves come before the first step, counted ones after their step, the end after all."""
    ordered = [
        Instant(),
        Instant(outside=1),
        Instant(outside=END),
        Instant(own=1),
        Instant(own=2),
        Instant(0, 0),
    ]
    ordered += [Instant(0, 0, 0, 1), Instant(0, 0, 1), Instant(0, 7), Instant(0, 7, 1, END), Instant(1)]
    assert sorted(ordered) == ordered


def test_instants_are_told_in_words() -> None:
    """As people count."""
    told = [str(Instant(done)) for done in (1, 2)]
    assert told == ["complete", "complete 2 times"]
    assert str(Instant(1, 7, 2, END)) == "complete, step 7, save 2, the end"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"world":2', b'"world":0'),
        (b'"attempt":1', b'"attempt":true'),
        (b"[0,5,0,0]", b"[5,0,0]"),
        (b"[0,5,0,0]", b"[0,5,-1,0]"),
        (b'"counts":true', b'"counts":1'),
        (b'"counts":true', b'"count":true'),
    ],
)
def test_part_that_cannot_be_is_damage(store: Store, old: bytes, new: bytes) -> None:
    """A field of another type or range is never taken for something else."""
    line = line_of(store)
    commit(line, part(5))
    forge(store, 1, old, new)
    with pytest.raises(DamagedError, match="'part'"):
        line.load(1)


def joined(store: Store, world: int, **settings: Any) -> list[Ranks]:
    """Start all ranks, each with the lease of its line."""
    ranks = []
    for rank in range(world):
        line = line_of(store, rank=rank, **settings)
        line.acquire()
        ranks.append(Ranks(line, world, None, unique=False))
    return ranks


def over(ranks: list[Ranks]) -> None:
    """End all ranks."""
    for each in ranks:
        each.line.release()


def test_newest_complete_instant_is_found(store: Store) -> None:
    """Whoever is ahead, behind or has gaps: what is found is what a search through everything finds."""
    picked = random.Random(7)
    for world in (2, 3, 5):
        ranks = joined(store, world)
        number = ranks[0].attempt.number  # type: ignore[union-attr]
        has: list[set[int]] = []
        for each in ranks:
            steps = sorted(picked.sample(range(30), picked.choice((3, 12, 29))))
            counting = {step for step in steps if picked.random() < 0.9}
            for step in steps:
                commit(each.line, part(step, attempt=number, world=world, counts=step in counting))
            has.append(counting)
        common = set.intersection(*has)
        found = Parts(ranks[0].line).newest(Attempts(ranks[0].line).all())
        if common:
            assert found is not None
            assert (found.attempt, found.instant) == (number, Instant(0, max(common)))
            lines = [each.line for each in ranks]
            assert {line.load(n).part for line, n in zip(lines, found.numbers, strict=True)} == {
                part(max(common), attempt=number, world=world)
            }
        over(ranks)


class Counted(MemoryStore):
    """Counts what is asked of it."""

    listings = 0
    reads = 0

    def list(self, prefix: str = "") -> Keys:
        """Count and list."""
        self.listings += 1
        return super().list(prefix)

    def read(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """Count and read."""
        self.reads += 1
        return super().read(key, start, stop)


def test_search_lists_each_rank_once_and_reads_few_manifests() -> None:
    """One rank that is hundreds of instants ahead costs no hundreds of readings."""
    store = Counted("counted")
    ranks = joined(store, 3)
    for step in range(400):
        commit(ranks[0].line, part(step, world=3))
    for each in ranks[1:]:
        commit(each.line, part(4, world=3))
    store.listings = store.reads = 0
    found = Parts(ranks[2].line).newest(Attempts(ranks[2].line).all())
    assert found is not None
    assert found.instant == Instant(0, 4)
    assert store.listings == 4
    assert store.reads < 40
    over(ranks)


def test_part_that_cannot_be_read_is_passed_over(store: Store) -> None:
    """An instant is not complete when one of its manifests is damaged; the one before is taken."""
    ranks = joined(store, 2)
    for step in (1, 2):
        for each in ranks:
            commit(each.line, part(step))
    over(ranks)
    damage(store, manifest(2), at=20)
    ranks = joined(store, 2)
    assert [each.resume.instant for each in ranks if each.resume] == [Instant(0, 1)] * 2
    over(ranks)


def test_newer_format_is_not_passed_over(store: Store) -> None:
    """What a newer Lattice has saved is not undone by taking an older instant."""
    ranks = joined(store, 2)
    for each in ranks:
        commit(each.line, part(1))
    over(ranks)
    forge(store, 1, b'"format": 1', b'"format": 2')
    with pytest.raises(FormatError):
        joined(store, 2)


def test_records_that_are_gone_are_made_up_for(store: Store) -> None:
    """The parts themselves say what is complete; and the number of their attempt is not given again."""
    ranks = joined(store, 2)
    for each in ranks:
        commit(each.line, part(3))
    over(ranks)
    store.delete(store.list("job/attempts/"))
    ranks = joined(store, 2)
    assert {each.attempt.number for each in ranks if each.attempt} == {2}
    assert [each.resume.instant for each in ranks if each.resume] == [Instant(0, 3)] * 2
    over(ranks)


def test_damaged_record_is_no_attempt(store: Store) -> None:
    """A record that cannot be read is not joined; the next attempt has the next number."""
    ranks = joined(store, 2)
    over(ranks[1:])
    damage(store, "job/attempts/000001.json", at=5)
    line = line_of(store, rank=1)
    line.acquire()
    attempt = Ranks(line, 2, None, unique=False).attempt
    assert attempt is not None
    assert attempt.number == 2
    over(ranks)
    line.release()


def test_records_are_signed_with_the_key(store: Store) -> None:
    """Where manifests are signed, so is what sends all ranks to one of them."""
    over(joined(store, 2, key=b"k" * 32))
    assert b"hmac-sha256" in store.read("job/attempts/000001.json")
    line = line_of(store, key=b"other" * 8)
    assert Attempts(line).newest() is None


def test_few_attempts_are_remembered(store: Store) -> None:
    """Of a job that is started for ever, the last records stay."""
    for _ in range(6):
        over(joined(store, 2))
    assert Attempts(line_of(store)).numbers == [4, 5, 6]
    assert {key.split("/")[2][:6] for key in store.list("job/attempts/")} == {"000004", "000005", "000006"}


class Overtaken(MemoryStore):
    """Another rank is always faster."""

    def put(self, key: str, data: Bytes) -> None:
        """Let the other one make an attempt of its own, and then this one find that it is there."""
        if "attempts/" in key and not self.list(key):
            super().put(key, bytes(data).replace(b'"world": 2', b'"world": 3'))
        super().put(key, data)


def test_ranks_that_never_agree_end() -> None:
    """Two launchers that start one job again and again do not make a rank try for ever."""
    line = line_of(Overtaken("overtaken"))
    line.acquire()
    with pytest.raises(StoreError, match="do not agree on an attempt"):
        Ranks(line, 2, None, unique=False)
    line.release()


def test_instants_of_a_job_of_one_process(store: Store) -> None:
    """There is nothing to say where there were never several ranks."""
    line = line_of(store)
    commit(line, None)
    assert instants(line) == (None, None)


class Interleaved(MemoryStore):
    """Something happens just after the attempts were listed."""

    then: Callable[[], object] | None = None

    def list(self, prefix: str = "") -> Keys:
        """List, and let it happen."""
        keys = super().list(prefix)
        happens, self.then = (self.then, None) if prefix == "job/attempts/" else (None, self.then)
        if happens is not None:
            happens()
        return keys


def test_attempt_that_was_made_and_saved_in_meanwhile_is_joined() -> None:
    """Its number is known from another rank's checkpoint before it is in the listing: no other is made after it."""
    store = Interleaved("interleaved")
    others: list[Ranks] = []

    def other_rank() -> None:
        line = line_of(store, rank=1)
        line.acquire()
        others.append(Ranks(line, 2, None, unique=False))
        commit(line, part(1))

    line = line_of(store)
    line.acquire()
    store.then = other_rank
    attempt = Ranks(line, 2, None, unique=False).attempt
    assert attempt is not None
    assert [attempt] == [each.attempt for each in others]
    over(others)
    line.release()
