"""Slots of a job that runs as another number of ranks than before: what becomes of their values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lattice_addons.errors import NotSavedError, RanksChangedError, SettingsError
from tests.unit.state.test_ranks import found, save, start

if TYPE_CHECKING:
    from tests.unit.state.test_ranks import Start

__all__ = ["start"]  # a fixture


@pytest.mark.parametrize("then", [1, 2, 3])
@pytest.mark.parametrize("now", [1, 2, 3])
def test_rules(start: Start, then: int, now: int) -> None:
    """Each rule from and to each number of ranks; unchanged numbers need none, and may have one."""
    save(start(then), 1, step=1)
    own = [[rank, 1] for rank in range(then)]
    assert found(start(now, ranks="per-rank")) == [own[rank] if rank < then else None for rank in range(now)]
    replicated = found(start(now, ranks="replicated"))
    assert replicated == [own[rank] if rank < then else own[0] for rank in range(now)]
    merged = found(start(now, merge=list))
    assert merged == (own if then == now else [own] * now)
    if then != now:
        groups = start(now)
        for group in groups:
            with pytest.raises(RanksChangedError, match=r'register\(\'n\', ranks="replicated"\)') as told:
                group.get("n")
            assert (told.value.stored, told.value.ranks, told.value.slot) == (then, now, "n")


@pytest.mark.parametrize(("then", "now"), [(3, 2), (2, 3), (3, 1), (1, 3)])
def test_made_values_are_saved_though_nobody_asks(start: Start, then: int, now: int) -> None:
    """A value that a rule makes is in the next checkpoint, also of a rank that never called get."""
    save(start(then), 1, step=1)
    for group in start(now, merge=list):
        group.save(step=2)
    assert found(start(now)) == [[[rank, 1] for rank in range(then)]] * now


@pytest.mark.parametrize(("then", "now"), [(3, 2), (2, 3)])
def test_without_a_rule_nothing_counts(start: Start, then: int, now: int) -> None:
    """A program that saves as it ends by the error finds the error again, and with a rule the values."""
    save(start(then), 1, step=1)
    for _ in range(2):
        for group in start(now):
            with pytest.raises(RanksChangedError):
                group.get("n")
            group.save(step=9)
            group._session.save_now("exception")
    assert found(start(now, merge=list)) == [[[rank, 1] for rank in range(then)]] * now


def test_slot_with_a_new_value_needs_no_rule(start: Start) -> None:
    """What the program says itself is the value; the stored ones count no more."""
    save(start(2), 1, step=1)
    groups = start(3)
    save(groups, 5, step=2)
    assert found(groups) == found(start(3)) == [[0, 5], [1, 5], [2, 5]]


def test_merge_that_fails_is_named(start: Start) -> None:
    """The save says which slot has no value, does not count, and the values stay to be merged."""

    def refuse(values: list[Any]) -> object:
        message = f"{len(values)} are too many"
        raise ArithmeticError(message)

    save(start(3), 1, step=1)
    for group in start(2, merge=refuse):
        with pytest.raises(NotSavedError, match="3 are too many"):
            group.save(step=2)
    assert found(start(2, merge=len)) == [3, 3]


def test_arrays_are_merged_and_restored_into(start: Start) -> None:
    """Values are merged as the managers stored them, and `get(into=)` fills memory with the result."""
    for rank, group in enumerate(start(2, "shard")):
        group.update("shard", np.full(3, rank))
        group.save()
    [group] = start(1, "shard", merge=np.concatenate)
    target = np.empty(6, dtype=int)
    group.get("shard", into=target)
    assert target.tolist() == [0, 0, 0, 1, 1, 1]


def test_ranks_that_are_gone_are_told(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    """What only they had stays in the store; a later start with the old number begins from what is complete then."""
    save(start(4), 1, step=1)
    caplog.clear()
    groups = start(2, ranks="per-rank")
    assert [record.getMessage() for record in caplog.records] == [
        "job 'job' ran as 4 ranks, and runs as 2: what ranks 2, 3 had alone stays in the store as it is"
    ]
    assert found(groups) == [[0, 1], [1, 1]]
    # Nothing was saved as two: four find all they had.
    assert found(start(4)) == [[rank, 1] for rank in range(4)]
    save(start(2, ranks="per-rank"), 2, step=2)
    assert found(start(4, ranks="per-rank")) == [[0, 2], [1, 2], None, None]


@pytest.mark.parametrize(
    "rule",
    [{"ranks": "all"}, {"ranks": "replicated", "merge": max}, {"merge": "sum"}],
    ids=["word", "both", "text"],
)
def test_no_rule_that_cannot_be(start: Start, rule: dict[str, Any]) -> None:
    """A mistake in a rule is told at register, not after the next change of the number of ranks."""
    with pytest.raises(SettingsError, match=r"register\("):
        start(1, **rule)


@pytest.mark.parametrize(("then", "now"), [(2, 3), (3, 1), (1, 2)])
def test_resumed_loops_go_on(start: Start, then: int, now: int) -> None:
    """A loop, and the one within it, go on at the same elements as on the ranks that were stopped."""
    for group in start(then):
        for epoch in group.resume(range(3), "epochs"):
            for part in group.resume("abc", "parts"):
                if (epoch, part) == (1, "b"):
                    group.save(step=1)
                    break
            else:
                continue
            break
    expected = [(1, "c"), (2, "a"), (2, "b"), (2, "c")]
    for group in start(now):
        went = [
            (epoch, part)
            for epoch in group.resume(range(3), "epochs")
            for part in group.resume("abc", "parts")
        ]
        assert went == expected


def test_all_go_on_where_the_last_rank_was(start: Start) -> None:
    """Nothing that a rank has not done is left out."""
    for rank, group in enumerate(start(2)):
        for element in group.resume(range(9), "elements"):
            if element == 3 + rank:
                group.save(step=1)
                break
    for group in start(3):
        assert list(group.resume(range(9), "elements")) == [4, 5, 6, 7, 8]


def test_loops_over_sequences_of_ranks_own_are_refused(start: Start) -> None:
    """Nobody can say which rank has what is left of them; with the old number all go on."""
    for rank, group in enumerate(start(2)):
        for _ in group.resume(range(rank, 8, 2), "mine"):
            group.save(step=1)
            break
    for group in start(4):
        with pytest.raises(RanksChangedError, match="Start it as 2, give the loop another key") as told:
            group.resume(range(8), "mine")
        assert (told.value.stored, told.value.ranks, told.value.slot) == (2, 4, "mine")
    for rank, group in enumerate(start(2)):
        assert list(group.resume(range(rank, 8, 2), "mine")) == [2 + rank, 4 + rank, 6 + rank]
