"""Several ranks of a job, in one process: which instant they carry on from, and what becomes of their slots."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from lattice_addons import Settings, StateManagerGroup
from lattice_addons.errors import StepOrderError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Start = Callable[..., list[StateManagerGroup]]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Give a function that starts all ranks of the job; those before have ended without a last save."""
    groups: list[StateManagerGroup] = []

    def begin(world: int, *slots: str, **rule: Any) -> list[StateManagerGroup]:
        for group in groups:
            group.close()
        groups.clear()
        monkeypatch.setenv("WORLD_SIZE", str(world))
        for rank in range(world):
            monkeypatch.setenv("RANK", str(rank))
            groups.append(StateManagerGroup(Settings(root=str(tmp_path / "store"), job_id="job", signals=())))
            for name in slots or ("n",):
                groups[-1].register(name, **rule)
        return list(groups)

    yield begin
    for group in groups:
        group.close()


def save(
    groups: list[StateManagerGroup], value: int, *, step: int | None = None, but: tuple[int, ...] = ()
) -> None:
    """Have all ranks save a value that tells whose it is, but those that do not come so far."""
    for rank, group in enumerate(groups):
        if rank not in but:
            group.update("n", [rank, value])
            group.save(step=step)


def found(groups: list[StateManagerGroup]) -> list[object]:
    """Give what each rank finds."""
    return [group.get("n") for group in groups]


def test_all_carry_on_from_what_all_have(start: Start) -> None:
    """A rank that was faster goes back; the number of the save is the instant."""
    groups = start(3)
    save(groups, 1)
    save(groups, 2)
    save(groups, 3, but=(1,))
    assert groups[0].status().complete == "save 2"
    assert found(start(3)) == [[0, 2], [1, 2], [2, 2]]


def test_steps_name_instants(start: Start) -> None:
    """Saves that are counted otherwise are matched by the step that the program names."""
    groups = start(2)
    groups[0].update("n", "more")
    groups[0].save()
    save(groups, 10, step=10)
    save(groups, 20, step=20, but=(0,))
    assert found(start(2)) == [[0, 10], [1, 10]]


def test_step_in_the_background(start: Start) -> None:
    """async_save takes a step as save does; it names the instant of the snapshot."""
    groups = start(2)
    futures = []
    for rank, group in enumerate(groups):
        group.update("n", rank)
        futures.append(group.async_save(step=7))
    assert [str(future.result().part.instant) for future in futures] == ["step 7", "step 7"]  # type: ignore[union-attr]
    assert found(start(2)) == [0, 1]


@pytest.mark.parametrize("step", [5, 4, -1, 2.0, True, "6"])
@pytest.mark.parametrize("world", [1, 2])
def test_steps_only_rise(start: Start, step: Any, world: int) -> None:
    """A step that was there, or is none, is refused before anything is saved, however many ranks there are."""
    group = start(world)[0]
    group.save(step=5)
    with pytest.raises(StepOrderError, match="larger than the last one, 5") as refused:
        group.save(step=step)
    assert refused.value.last == 5
    with pytest.raises(StepOrderError):
        group.async_save(step=step)
    group.save(step=6)


def test_new_attempt_may_repeat_a_step(start: Start) -> None:
    """What was done after the instant that all carry on from is done again, under the same steps."""
    groups = start(2)
    save(groups, 1, step=1)
    save(groups, 2, step=2, but=(0,))
    groups = start(2)
    save(groups, 22, step=2)
    assert found(start(2)) == [[0, 22], [1, 22]]


def test_parts_of_two_attempts_never_make_one_checkpoint(start: Start) -> None:
    """One rank has step 2 of the first attempt, the other that of the second: no two halves of one history."""
    groups = start(2)
    save(groups, 1, step=1)
    save(groups, 2, step=2, but=(0,))
    groups = start(2)
    save(groups, 3, step=2, but=(1,))
    assert found(start(2)) == [[0, 1], [1, 1]]


def test_saves_from_outside_do_not_count_beside_the_programs_own(start: Start) -> None:
    """A signal finds each rank elsewhere: with steps named, it is no instant of the job, also after a restart."""
    groups = start(2)
    save(groups, 1, step=1)
    for attempt in (1, 2):
        for group in groups:
            group.update("n", "in the middle")
            group._session.save_now("signal:SIGTERM")
        groups = start(2)
        assert found(groups) == [[0, 1], [1, 1]], attempt


def test_saves_from_outside_count_where_there_are_no_others(start: Start) -> None:
    """A program that leaves all saving to its end has the end as its instant."""
    groups = start(2)
    for times, group in enumerate(groups, 1):
        for _ in range(times):
            group.update("n", "period")
            group._session.save_now("periodic")
        group.update("n", "end")
        group._session.save_now("exit")
    assert found(start(2)) == ["end", "end"]


def test_rank_without_slots_counts(start: Start) -> None:
    """Where one rank alone has something to keep, the others' empty parts say that they were there."""
    groups = start(3)
    groups[0].update("n", 5)
    for group in groups:
        group.save()
    assert found(start(3)) == [5, None, None]


def test_complete_on_all_ranks_begins_afresh(start: Start) -> None:
    """Only when every rank has said so is the work done."""
    groups = start(2)
    save(groups, 1)
    groups[0].complete()
    groups = start(2)
    assert found(groups) == [[0, 1], [1, 1]]
    for group in groups:
        group.complete()
    assert found(start(2)) == [None, None]
    assert found(start(3)) == [None, None, None]


def test_missing_rank_is_named_once(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    """The warning at the restart, and the status of every rank, say which instant lacks whom."""
    groups = start(3)
    save(groups, 1, step=1)
    save(groups, 2, step=2, but=(0, 2))
    caplog.clear()
    with caplog.at_level(logging.WARNING, logger="lattice_addons"):
        groups = start(3)
    told = "step 2 is not complete: ranks 0, 2 lack it"
    assert [record.getMessage() for record in caplog.records] == [
        f"job 'job': {told}; all carry on from step 1"
    ]
    for group in groups:
        assert any(told in problem for problem in group.status().problems)
    assert str(groups[1].status()).startswith("job 'job', rank 1 of 3, in ")


def test_what_a_slow_rank_has_not_reached_stays(start: Start) -> None:
    """A fast rank keeps all that is newer than what all have; it goes when the slow one has come up."""
    groups = start(2)
    lines = [group._session.stored._line for group in groups]
    save(groups, 1, step=1)
    for step in range(2, 9):
        save(groups, step, step=step, but=(1,))
    for line in lines:
        assert line is not None
        line.retain()
    assert [line.numbers() for line in lines if line] == [[*range(1, 9)], [1]]
    for step in range(2, 9):
        save(groups, step, step=step, but=(0,))
    for group in groups:
        group.close()
    groups = start(2)
    for group in groups:
        line = group._session.stored._line
        assert line is not None
        line.retain()
        assert line.numbers() == [6, 7, 8]
    assert found(groups) == [[0, 8], [1, 8]]


def test_job_of_one_process_has_nothing_of_it(start: Start, tmp_path: Path) -> None:
    """No folder, no field, whatever the launcher's variables say of one rank."""
    [group] = start(1)
    group.update("n", 1)
    checkpoint = group.save(step=3)
    assert checkpoint is not None
    assert checkpoint.part is None
    assert sorted(path.name for path in (tmp_path / "store" / "job").iterdir()) == ["rank-00000"]


def test_ranks_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ranks=alone each has its own newest, and nobody looks at the others."""
    for expected in (None, 7):
        monkeypatch.setenv("WORLD_SIZE", "4")
        monkeypatch.setenv("RANK", "2")
        group = StateManagerGroup(
            Settings(root=str(tmp_path / "store"), job_id="job", signals=(), ranks="alone")
        )
        group.register("n")
        assert group.get("n") == expected
        group.update("n", 7)
        group.save()
        group.close()
    assert sorted(path.name for path in (tmp_path / "store" / "job").iterdir()) == ["rank-00002"]
