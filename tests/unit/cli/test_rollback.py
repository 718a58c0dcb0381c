"""An older state comes back as a new checkpoint, and nothing is lost for it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from lattice_addons import Settings, StateManagerGroup
from lattice_addons.checkpoint import Instant, Line, Part, rolled_back, to_roll_back
from lattice_addons.checkpoint._attempts import Attempts
from lattice_addons.checkpoint._parts import Parts
from lattice_addons.cli import main
from lattice_addons.errors import NotInStoreError, RanksError
from lattice_addons.storage import MemoryStore, open_store
from tests.unit.checkpoint.lines import fresh, line_of

if TYPE_CHECKING:
    from pathlib import Path


def begin(root: Path, **settings: object) -> StateManagerGroup:
    """Start the job's next session."""
    given: dict[str, Any] = {"root": str(root), "job_id": "job", "signals": (), "keep": 9, **settings}
    group = StateManagerGroup(Settings(**given))
    for name in ("n", "blob"):
        group.register(name)
    return group


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make a store with one job of four checkpoints."""
    group = begin(tmp_path / "store")
    for n in range(1, 5):
        group.update("n", n)
        group.update("blob", bytes([n]) * 100_000)
        group.save()
    group.close()
    return tmp_path / "store"


def roll(root: Path, number: int, capsys: pytest.CaptureFixture[str], *more: str) -> Any:
    """Roll back; give the answer."""
    assert main(["rollback", "job", str(number), "--root", str(root), "--json", *more]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_next_start_has_the_older_state(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By reference: no byte of it is written again; every checkpoint that there was is still there."""
    packs = {path: path.read_bytes() for path in root.rglob("*.pack")}
    assert roll(root, 2, capsys) == [{"job": "job", "rank": 0, "to": 2, "checkpoint": 5, "newest": 4}]
    line = Line(open_store(Settings(root=str(root))), "job", settings=Settings(root=str(root)))
    made = line.load(5)
    assert (made.reason, made.parent, made.notes) == ("rollback", 2, ("rolled back to checkpoint 2",))
    assert line.numbers() == [1, 2, 3, 4, 5]
    assert {path: path.read_bytes() for path in root.rglob("*.pack")} == packs
    group = begin(root)
    assert (group.get("n"), group.get("blob")) == (2, bytes([2]) * 100_000)
    group.update("n", 10)
    group.save()
    group.close()
    # And forward again, to what was left behind.
    roll(root, 4, capsys)
    group = begin(root)
    assert (group.get("n"), group.get("blob")) == (4, bytes([4]) * 100_000)
    group.close()
    assert main(["verify", "--root", str(root)]) == 0


def test_dry_run_changes_nothing(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says whether it could be done."""
    before = sorted(root.rglob("*"))
    assert roll(root, 1, capsys, "--dry-run")[0]["checkpoint"] is None
    assert sorted(root.rglob("*")) == before


def test_a_running_job_is_left_alone(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its writer would go on from where it is: it is named, and nothing is committed."""
    group = begin(root)
    try:
        assert main(["rollback", "job", "1", "--root", str(root)]) == 75
    finally:
        group.close()
    assert "is written by process" in capsys.readouterr().err
    assert len(list(root.rglob("checkpoints/*.json"))) == 4


@pytest.mark.parametrize(
    ("words", "told"), [(["job", "77"], "it has: 1, 2, 3, 4"), (["other", "1"], "has: job")]
)
def test_what_is_not_there_is_said(
    root: Path, words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And what there is."""
    assert main(["rollback", *words, "--root", str(root)]) == 66
    assert told in capsys.readouterr().err


def test_a_damaged_state_is_not_gone_back_to(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Half of an old state with half of another would be a mixture."""
    old = min(root.rglob("*.pack"))
    old.write_bytes(old.read_bytes()[:-10] + b"x" * 10)
    assert main(["rollback", "job", "1", "--root", str(root)]) == 65
    assert "is not gone back to" in capsys.readouterr().err
    assert len(list(root.rglob("checkpoints/*.json"))) == 4


def test_a_complete_state_is_complete_again(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The next start begins afresh, as it would have then."""
    group = begin(root)
    group.complete()
    group.save()
    group.close()
    numbers = sorted(int(path.stem) for path in root.rglob("checkpoints/*.json"))
    done = next(
        n for n in numbers if '"reason": "complete"' in next(root.rglob(f"{n:012d}.json")).read_text()
    )
    group = begin(root)
    group.update("n", 77)
    group.save()
    group.close()
    roll(root, done, capsys)
    group = begin(root)
    assert group.get("n") is None
    group.close()


def parts(store: MemoryStore, *steps: dict[int, int]) -> list[Line]:
    """Commit steps of attempt 1 on two ranks: of each rank, which number of checkpoint is which step."""
    lines = [line_of(store, rank=rank) for rank in range(2)]
    for line, of in zip(lines, steps, strict=True):
        for step, value in of.items():
            part = Part(2, 1, Instant(0, step), counts=True)
            line.commit({"n": fresh(value)}, parent=None, reason="manual", part=part)
    return lines


def test_ranks_go_back_to_one_instant() -> None:
    """Their numbers differ; what counts is the instant, and the new parts make one complete checkpoint."""
    store = MemoryStore("rollback-ranks")
    lines = parts(store, {1: 1, 2: 2, 3: 3}, {0: 0, 1: 1, 2: 2, 3: 3})
    pairs = to_roll_back(lines, 2)
    assert [checkpoint.number for _, checkpoint in pairs] == [2, 3]
    made = rolled_back(pairs)
    assert [(each.number, each.slots["n"].value) for each in made] == [(4, b"2"), (5, b"2")]
    found = newest_complete(lines[0])
    assert (found.attempt, found.numbers) == (2, (4, 5))


def newest_complete(line: Line) -> Any:
    """Give what a start would carry on from."""
    return Parts(line).newest(Attempts(line).all(), sure=True)


def test_half_a_rollback_is_none() -> None:
    """Killed between two ranks, the job carries on from where it was; done again, it is whole."""
    store = MemoryStore("rollback-half")
    lines = parts(store, {1: 1, 2: 2}, {1: 1, 2: 2})
    rolled_back(to_roll_back(lines, 1)[:1])
    found = newest_complete(lines[1])
    assert (found.attempt, found.numbers) == (1, (2, 2))
    rolled_back(to_roll_back(lines, 1))
    found = newest_complete(lines[1])
    assert (found.attempt, found.instant.step) == (3, 1)


def test_an_instant_that_a_rank_lacks_is_refused() -> None:
    """All go back, or none; and a checkpoint of one rank's own moment is none of the job's."""
    store = MemoryStore("rollback-lacking")
    lines = parts(store, {1: 1, 2: 2}, {2: 2})
    with pytest.raises(RanksError, match=r"rank 1 lacks it .*: 2$"):
        to_roll_back(lines, 1)
    alone = Part(2, 1, Instant(0, 2, 0, 1), counts=False)
    lines[0].commit({"n": fresh(5)}, parent=None, reason="signal:SIGTERM", part=alone)
    with pytest.raises(RanksError, match="rank 0 alone"):
        to_roll_back(lines, 3)
    with pytest.raises(NotInStoreError):
        to_roll_back(lines, 9)
