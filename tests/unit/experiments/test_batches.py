"""How many settings go to a worker at a time."""

from __future__ import annotations

from lattice_addons.experiments import Task
from lattice_addons.experiments._batches import SECONDS, Batches


def batches(count: int) -> Batches:
    """Make some that wait."""
    made = Batches()
    for number in range(count):
        made.add(Task(f"{number}", f"i={number}", {"i": number}))
    return made


def test_quick_runs_go_together_and_long_ones_alone() -> None:
    """It grows step by step, and shrinks at once."""
    made = batches(10_000)
    sizes = []
    for _ in range(6):
        taken = made.take(2)
        sizes.append(len(taken))
        made.learn(len(taken), len(taken) * 0.0001)
    assert sizes == [1, 4, 16, 64, 256, 500]
    made.learn(1, 10 * SECONDS)
    assert len(made.take(2)) == 1


def test_what_is_left_is_shared_out() -> None:
    """The last settings do not all go to one worker; what was not begun is the next again."""
    made = batches(10)
    made.size = 500
    first = made.take(2)
    assert len(first) == 5
    made.give_back(first[2:])
    assert [each.identity for each in made.take(1)] == ["2", "3", "4", "5", "6", "7", "8", "9"]
    assert len(made) == 0
