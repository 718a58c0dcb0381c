"""A resumed loop begins at the first element that was not finished."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lattice_addons.errors import DuplicateSlotError, SequenceChangedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lattice_addons import StateManagerGroup

    Start = Callable[..., StateManagerGroup]


def test_a_loop_goes_through_everything_once(start: Start) -> None:
    """Without a restart it is a plain loop."""
    assert list(start().resume([3, 1, 2], "loop")) == [3, 1, 2]


def test_an_unfinished_element_is_done_again(start: Start) -> None:
    """What was in the middle of an element when it was saved begins with that element."""
    group = start()
    for n in group.resume(range(5), "loop"):
        if n == 3:
            group._session.save("signal:SIGTERM")
            break

    assert list(start().resume(range(5), "loop")) == [3, 4]


def test_save_in_its_turn_finishes_the_element(start: Start) -> None:
    """The program says that the element is done by saving."""
    group = start()
    for n in group.resume(range(5), "loop"):
        if n == 3:
            group.save()
            group.save()
            break

    assert list(start().resume(range(5), "loop")) == [4]


def test_a_finished_loop_stays_finished(start: Start) -> None:
    """After a restart it yields nothing, until it is deleted."""
    group = start()
    list(group.resume(range(3), "loop"))
    group.save()

    group = start()
    assert list(group.resume(range(3), "loop")) == []
    group.delete("loop")
    assert list(group.resume(range(3), "loop")) == [0, 1, 2]


def run_nested(group: StateManagerGroup, stop: tuple[int, int] | None = None) -> Iterator[tuple[int, int]]:
    """Loop within a loop; save and break off at a place."""
    for outer in group.resume(range(3), "outer"):
        for inner in group.resume(range(3), "inner"):
            if (outer, inner) == stop:
                group._session.save("signal:SIGTERM")
                return
            yield outer, inner


@pytest.mark.parametrize("stop", [(0, 0), (0, 2), (1, 0), (1, 1), (2, 2)])
def test_nested_loops_carry_on_where_both_were(start: Start, stop: tuple[int, int]) -> None:
    """Together the two sessions do every pair once."""
    before = list(run_nested(start(), stop))
    after = list(run_nested(start()))

    assert before + after == [(outer, inner) for outer in range(3) for inner in range(3)]


def test_an_inner_loop_of_another_element_begins_anew(start: Start) -> None:
    """Progress is bound to the element of the loop around it."""
    group = start()
    for outer in group.resume(range(3), "outer"):
        for inner in group.resume(range(3), "inner"):
            if (outer, inner) == (1, 2):
                group._session.save("signal:SIGTERM")
                break
        if outer == 1:
            break

    group = start()
    pairs = []
    for outer in group.resume(range(3), "outer"):
        if outer == 1:
            continue
        pairs += [(outer, inner) for inner in group.resume(range(3), "inner")]
    assert pairs == [(2, 0), (2, 1), (2, 2)]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (range(5), range(6)),
        ([1, 2, 3], [1, 2, 4]),
        ([1, 2, 3], (1, 2, 3)),
        ("abc", "abd"),
        ({"a": 1}, {"b": 1}),
    ],
)
def test_another_sequence_is_refused(start: Start, before: list[int], after: list[int]) -> None:
    """Length, kind and elements are compared where that can be seen."""
    group = start()
    loop = iter(group.resume(before, "loop"))
    next(loop)
    group.save()

    with pytest.raises(SequenceChangedError, match="loop"):
        start().resume(after, "loop")


def test_a_generator_is_skipped_to_its_place(start: Start) -> None:
    """What cannot be indexed is gone through; one that has become too short is refused."""
    group = start()
    loop = group.resume((n * n for n in range(5)), "loop")
    assert [next(loop), next(loop)] == [0, 1]
    group.save()

    group = start()
    assert list(group.resume((n * n for n in range(5)), "loop")) == [4, 9, 16]
    group.delete("loop")

    group = start()
    with pytest.raises(SequenceChangedError, match="only 1"):
        group.resume((n for n in [0]), "loop")


def test_a_set_is_refused(start: Start) -> None:
    """Its order would not survive a restart."""
    with pytest.raises(SequenceChangedError, match="sort"):
        start().resume({"a", "b"}, "loop")


def test_a_key_in_use_is_refused(start: Start) -> None:
    """A running loop's key, and a slot's, cannot be another loop's."""
    group = start()
    group.register("slot")

    with pytest.raises(DuplicateSlotError):
        group.resume([1], "slot")
    for _ in group.resume([1], "loop"):
        with pytest.raises(DuplicateSlotError):
            group.resume([1], "loop")


def test_an_exception_leaves_the_element_unfinished(start: Start) -> None:
    """The element that failed is done again."""
    group = start()

    def fail() -> None:
        for n in group.resume(range(3), "loop"):
            if n == 1:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    group._session.save("exception")

    assert list(start().resume(range(3), "loop")) == [1, 2]


def test_a_growing_list_is_followed(start: Start) -> None:
    """As in any for loop, elements appended on the way are visited."""
    work = [1]
    seen = []
    for n in start().resume(work, "loop"):
        seen.append(n)
        if n < 4:
            work.append(n + 1)

    assert seen == [1, 2, 3, 4]


def test_a_loop_that_was_broken_out_of_is_left(start: Start) -> None:
    """The loop around it is the innermost again, and the key is free to go on with."""
    group = start()
    for _ in group.resume(range(3), "outer"):
        for _ in group.resume(range(3), "inner"):
            break
        group.save()
        break
    assert not group._session.gate.mid_element

    assert list(start().resume(range(3), "outer")) == [1, 2]


def test_a_second_pass_is_refused(start: Start) -> None:
    """A loop in a plain loop would yield nothing the second time: it is told what to do instead."""
    group = start()
    assert list(group.resume(range(3), "loop")) == [0, 1, 2]

    with pytest.raises(DuplicateSlotError, match="the loop around it"):
        group.resume(range(3), "loop")


def test_after_complete_a_loop_begins_anew(start: Start) -> None:
    """In a notebook the same cell is run again, and what it does is to be saved again."""
    group = start()
    assert list(group.resume(range(3), "loop")) == [0, 1, 2]
    group.complete()

    loop = group.resume(range(3), "loop")
    assert [next(loop), next(loop)] == [0, 1]
    group._session.save_now("exit")

    assert list(start().resume(range(3), "loop")) == [1, 2]


def test_a_loop_that_was_left_within_an_element_is_noted(start: Start) -> None:
    """The save after it says so, until the loop goes on."""
    group = start()
    for _ in group.resume(range(3), "loop"):
        break

    group._session.save_now("exception")
    left = group._session.stored.newest
    list(group.resume(range(3), "loop"))
    group._session.save_now("exit")
    done = group._session.stored.newest

    assert left is not None
    assert left.notes == ("mid-element: loop",)
    assert done is not None
    assert done.notes == ()
