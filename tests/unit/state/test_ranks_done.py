"""Ranks of a job that are done, are restarted alone, or run as another number of ranks without a rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lattice_addons import StateManagerGroup
from lattice_addons.errors import RanksChangedError
from tests.unit.state.test_ranks import found, save, start

if TYPE_CHECKING:
    from tests.unit.state.test_ranks import Start

__all__ = ["start"]  # a fixture


def retained(group: StateManagerGroup) -> None:
    """Have all deleted that need not stay."""
    line = group._session.stored._line
    assert line is not None
    line.together._look_again = 0.0
    line.retain()


def again(group: StateManagerGroup, rank: int, monkeypatch: pytest.MonkeyPatch) -> StateManagerGroup:
    """End a rank, and start it alone."""
    group.close()
    monkeypatch.setenv("RANK", str(rank))
    started = StateManagerGroup(group._session.settings)
    started.register("n")
    return started


def test_rank_that_is_done_is_not_at_the_instant_of_anothers_save(start: Start) -> None:
    """One says that its work is complete where the other saves once more: no start mixes the two."""
    groups = start(2)
    save(groups, 1)
    groups[0].complete()
    save(groups, 2, but=(0,))
    save(groups, 3, but=(0,))
    assert found(start(2)) == [[0, 1], [1, 1]]


def test_complete_counts_however_many_saves_each_made(start: Start) -> None:
    """When all have said so the work is done, and what is older goes; the steps of the next begin anew."""
    groups = start(2)
    save(groups, 1, step=5)
    groups[0].complete()
    save(groups, 2, step=6, but=(0,))
    save(groups, 3, but=(0,))
    groups[1].complete()
    assert groups[0].status().complete == "complete"
    assert groups[0].save(step=0) is not None
    assert found(start(2)) == [None, None]


def test_complete_is_no_save_that_makes_others_not_count(start: Start) -> None:
    """Of a program that is saved from outside only, the next run's saves count as those of the first did."""
    for value in (1, 2):
        groups = start(2)
        assert found(groups) == [None, None]
        for group in groups:
            group.update("n", value)
            group._session.save_now("periodic")
        groups = start(2)
        assert found(groups) == [value, value]
        for group in groups:
            group.complete()


def test_one_process_without_a_rule_keeps_what_all_had(start: Start) -> None:
    """What it saves, also as it ends by the error, does not hide the others' values; with a rule it does."""
    save(start(3), 1, step=1)
    for _ in range(2):
        [group] = start(1)
        with pytest.raises(RanksChangedError):
            group.get("n")
        group.save(step=9)
        group._session.save_now("exception")
    [group] = start(1, merge=list)
    assert group.get("n") == [[rank, 1] for rank in range(3)]
    group.save()
    # A slot that comes late has no rule: that hides neither what was saved before.
    [group] = start(1)
    assert group.get("n") == [[rank, 1] for rank in range(3)]


def test_load_does_not_go_around_a_rule(start: Start) -> None:
    """A save that does not count, since a value waits for its rule, is nothing to go on from."""
    save(start(3), 1, step=1)
    group = start(2)[0]
    group.save(step=9)
    group.load()
    with pytest.raises(RanksChangedError):
        group.get("n")
    group.update("n", "settled")
    group.save(step=10)
    group._session.save_now("signal:SIGTERM")
    group.load()
    assert group.get("n") == "settled"


def test_rank_that_had_ended_goes_on_alone(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind its end it is still at its end: what it saves can be read, and the last of it is what it carries on."""
    groups = start(2)
    for group in groups:
        group.update("n", 1)
        group._session.save_now("exit")
    alone = again(groups[0], 0, monkeypatch)
    assert alone.get("n") == 1
    for value in (2, 3):
        alone.update("n", value)
        alone._session.save_now("periodic")
    alone.close()
    assert found(start(2)) == [3, 1]


def test_rank_comes_back_alone_when_what_all_began_from_is_gone(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When it has come back once, what all carried on from may go; it is of the same attempt also the next time."""
    save(start(2), 0, step=0)
    groups = start(2)
    for step in range(1, 6):
        save(groups, step, step=step)
    alone = again(groups[0], 0, monkeypatch)
    retained(alone)
    alone = again(alone, 0, monkeypatch)
    assert alone.get("n") == [0, 5]
    assert not alone.status().problems
    alone.update("n", [0, 6])
    alone.save(step=6)
    save(groups, 6, step=6, but=(0,))
    alone.close()
    assert found(start(2)) == [[0, 6], [1, 6]]
