"""What is only in a remote store comes several manifests, and several packs, at a time, and no more than is wanted."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from lattice_addons.checkpoint import Fresh, Instant, Line, Part, exported, repair
from lattice_addons.checkpoint._attempts import Attempt, Attempts, Member
from lattice_addons.checkpoint._parts import Parts
from lattice_addons.errors import UnreachableError
from lattice_addons.lifecycle import Owner
from lattice_addons.settings import Settings
from tests.unit.checkpoint.lines import manifest, raw
from tests.unit.storage.spool.machines import Machine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_SAVES = 50


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a remote store with a job of many checkpoints, each with a pack of its own."""
    top = tmp_path_factory.mktemp("ahead")
    writer = Machine(top, "writer")
    for n in range(_SAVES):
        slots: dict[str, Fresh] = {"n": raw(bytes([n]) * 100)}
        writer.line.commit(slots, parent=None, reason="manual")
    writer.end()
    return top / "remote"


@pytest.fixture
def elsewhere(stored: Path, tmp_path: Path) -> Machine:
    """Give a machine that has nothing of that job, and a copy of the store."""
    shutil.copytree(stored, tmp_path / "remote")
    return Machine(tmp_path, "reader")


def asked(machine: Machine) -> list[int]:
    """Have the remote store count how many ranges are asked for at once."""
    counts: list[int] = []
    fetch = machine.remote.fetch

    def counted(ranges: Sequence[tuple[str, int, int]], *, passing: bool = False) -> Sequence[bytes]:
        counts.append(len(ranges))
        return fetch(ranges, passing=passing)

    machine.remote.fetch = counted  # type: ignore[method-assign,assignment]
    return counts


@pytest.mark.parametrize(
    "read",
    [
        lambda line: [*line.history()],
        lambda line: [*line.tidying().learn()],
        lambda line: [*repair(line, dry_run=True)],
    ],
    ids=["history", "tidying", "repair"],
)
def test_manifests_come_several_at_a_time(elsewhere: Machine, read: Callable[[Line], list[object]]) -> None:
    """Each once, in a few requests for many."""
    counts = asked(elsewhere)
    read(elsewhere.line)
    gets = [each.split()[1] for each in elsewhere.remote.asked if each.startswith("get ")]
    assert sorted(key for key in gets if "/checkpoints/" in key) == [
        manifest(number) for number in range(1, _SAVES + 1)
    ]
    assert len(counts) < _SAVES / 4


def test_who_wants_one_waits_for_few(elsewhere: Machine) -> None:
    """The newest good checkpoint is found without the others."""
    counts = asked(elsewhere)
    assert next(elsewhere.line.history()).number == _SAVES
    assert sum(counts) <= 8


def test_packs_come_several_at_a_time(elsewhere: Machine) -> None:
    """Where each has little, all of them are read together; so is a line with one that is missing."""
    lost = elsewhere.remote.list("job/rank-00000/packs")[20]
    elsewhere.remote.delete([lost])
    counts = asked(elsewhere)
    found = [*elsewhere.line.verify()]
    assert [finding.good for finding in found].count(False) == 1
    assert len(found) == _SAVES
    assert len(counts) < _SAVES / 4


def test_an_export_reads_several_packs_at_a_time(stored: Path, tmp_path: Path) -> None:
    """What one checkpoint has in many packs comes together."""
    shutil.copytree(stored, tmp_path / "remote")
    writer = Machine(tmp_path, "writer")
    lines = {f"n{older.number}": older.slots["n"] for older in writer.line.history()}
    writer.line.commit(lines, parent=None, reason="manual")
    writer.end()
    reader = Machine(tmp_path, "reader")
    newest = reader.line.newest()
    assert newest is not None
    counts = asked(reader)
    assert len(b"".join(bytes(piece) for piece in exported(reader.line, newest))) > _SAVES * 100
    assert len(counts) < _SAVES / 4


def test_the_newest_of_all_ranks_come_at_once(tmp_path: Path) -> None:
    """Who starts a job of many looks at what each of them has."""
    writer = Machine(tmp_path, "writer")
    lines = [Line(writer.store, "job", rank, settings=Settings()) for rank in range(12)]
    for line in lines:
        line.commit({}, parent=None, reason="manual", part=Part(12, 1, Instant(0, 1), counts=True))
    Attempts(lines[0]).make(Attempt(1, 12, None, None, None, Member(0, "", Owner.current())))
    for line in lines:
        line.release()
    writer.end()
    reader = Machine(tmp_path, "reader")
    counts = asked(reader)
    newest = Parts(reader.line).newest(Attempts(reader.line).all())
    assert newest is not None
    assert newest.numbers == (1,) * 12
    assert counts == [12]


def test_what_is_here_is_read_without_the_network(tmp_path: Path) -> None:
    """A line of which the newest are in the spool gives these while the store cannot be asked."""
    machine = Machine(tmp_path, "a")
    machine.line = Line(machine.store, "job", 0, settings=Settings(keep=99))
    for n in range(12):
        machine.save(n)
    machine.send()
    for number in range(1, 9):
        (tmp_path / "a" / machine.spool.path(manifest(number))).unlink()
    with machine.store.near_only():
        history = machine.line.history()
        assert [next(history).number for _ in range(4)] == [12, 11, 10, 9]
        with pytest.raises(UnreachableError):
            next(history)
    machine.line.release()


def test_a_store_that_goes_away_ends_a_verification(elsewhere: Machine) -> None:
    """It is no damage, and is not waited for once for each checkpoint."""
    fetch = elsewhere.remote.fetch
    waited = 0

    def away(ranges: Sequence[tuple[str, int, int]], *, passing: bool = False) -> Sequence[bytes]:
        nonlocal waited
        if ranges[0][0] == manifest(_SAVES):  # whose key is looked at first
            return fetch(ranges, passing=passing)
        waited += 1
        raise UnreachableError("no answer", url=elsewhere.remote.url)

    elsewhere.remote.fetch = away  # type: ignore[method-assign,assignment]
    with pytest.raises(UnreachableError):
        list(elsewhere.line.verify())
    assert waited == 1
