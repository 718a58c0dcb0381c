"""A tracked loader in the loops that people write: one in another, side by side, left early, saved in the middle."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any

import pytest

torch = pytest.importorskip("torch", reason="these tests are about torch's loaders")

from torch.utils.data import DataLoader  # noqa: E402 - behind the skip

from lattice_addons.errors import (  # noqa: E402 - behind the skip
    DuplicateSlotError,
    SequenceChangedError,
    UnkeepableError,
)
from lattice_addons.training import LoaderManager, Position, loader_position  # noqa: E402 - behind the skip

from .loader_lives import Stateful, begin  # noqa: E402 - behind the skip

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lattice_addons import StateManagerGroup

pytestmark = pytest.mark.frameworks


class Lives:
    """The lives of a program, one after the other."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._group: StateManagerGroup | None = None

    def __call__(self, **loaders: Any) -> StateManagerGroup:
        """Begin the next one."""
        self.end()
        self._group = begin(self._folder)
        self._group.track(**loaders)
        return self._group

    def end(self) -> None:
        """End the last one, without a save."""
        if self._group is not None:
            self._group.close()


@pytest.fixture
def lives(tmp_path: Path) -> Iterator[Lives]:
    """Give the lives of a program."""
    made = Lives(tmp_path)
    yield made
    made.end()


def numbers(samples: int = 6) -> Any:
    """Make a loader of a few numbers, in their order."""
    return DataLoader(list(range(samples)))


def test_it_stays_what_it_is(lives: Lives) -> None:
    """The same object, of its class, with its length; its iterator has what torch's has."""
    loader = numbers()
    group = lives(loader=loader)

    assert isinstance(loader, DataLoader)
    assert type(loader).__name__ == "DataLoader"
    assert group.get("loader") is loader
    assert len(loader) == len(iter(loader)) == 6
    assert iter(loader)._num_workers == 0
    assert [item.item() for item in loader] == list(range(6))


def test_a_copy_is_not_tracked(lives: Lives) -> None:
    """Copied or pickled, it is what it was before."""
    loader = numbers()
    lives(loader=loader)

    for other in (copy.copy(loader), pickle.loads(pickle.dumps(loader))):
        assert type(other) is DataLoader
        list(other)
    assert loader_position(loader) == Position(0, 0, 0)


def test_the_position_is_told(lives: Lives) -> None:
    """A batch counts when the next one is asked for."""
    loader = DataLoader(list(range(10)), batch_size=4)
    lives(loader=loader)
    batches = iter(loader)
    next(batches)
    assert loader_position(loader) == Position(0, 0, 0)
    next(batches)
    next(batches)
    assert loader_position(loader) == Position(0, 2, 8)
    assert next(batches, None) is None
    assert loader_position(loader) == Position(1, 0, 0)
    with pytest.raises(UnkeepableError, match="not tracked"):
        loader_position(numbers())


@pytest.mark.parametrize("data", [lambda: list(range(6)), Stateful], ids=["indices", "stream"])
def test_an_unfinished_batch_comes_again(data: Any, lives: Lives) -> None:
    """What was saved in the middle of a batch begins with it; also where the data set has a state of its own."""
    loader = DataLoader(data())
    group = lives(loader=loader)
    for batch in loader:
        if batch.flatten()[0] == 3:
            group._session.save("signal:SIGTERM")
            break

    loader = DataLoader(data())
    lives(loader=loader)
    assert next(iter(loader)).flatten()[0] == 3


def test_an_exception_leaves_the_batch_unfinished(lives: Lives) -> None:
    """Also when the program saves before it ends."""
    loader = numbers()
    group = lives(loader=loader)

    def train() -> None:
        for batch in loader:
            1 / (2 - batch.item())

    with pytest.raises(ZeroDivisionError):
        train()
    group.save()

    loader = numbers()
    lives(loader=loader)
    assert [item.item() for item in loader] == [2, 3, 4, 5]


def test_an_epoch_that_was_left_is_over_when_the_program_goes_on(lives: Lives) -> None:
    """A look at the first batch, or validation on a few, is not taken up again."""
    loader, other = numbers(), numbers()
    group = lives(loader=loader, other=other)
    next(iter(loader))
    next(iter(other))
    group.save()
    assert loader_position(loader) == Position(1, 0, 0)

    loader = numbers()
    lives(loader=loader)
    assert [item.item() for item in loader] == list(range(6))


@pytest.mark.parametrize("by_hand", [True, False], ids=["in the body", "at the safe point"])
def test_side_by_side(by_hand: bool, lives: Lives) -> None:
    """Of two that are gone through together, the batches of both count."""
    left, right = numbers(), numbers()
    group = lives(left=left, right=right)

    def save(*, safe: bool) -> None:
        group._session.save(f"safe: {safe}")

    pairs = []
    for one, two in zip(left, right, strict=True):
        if one == 3:
            break
        pairs.append((one.item(), two.item()))
        if one == 2 and by_hand:
            group.save()
        elif one == 2:
            group._session.gate.when_open(save)

    left, right = numbers(), numbers()
    lives(left=left, right=right)
    pairs += [(one.item(), two.item()) for one, two in zip(left, right, strict=True)]
    assert pairs == [(n, n) for n in range(6)]


def test_batches_come_in_their_order(lives: Lives) -> None:
    """Their number says which they are."""
    loader = DataLoader(list(range(6)), in_order=False)
    lives(loader=loader)
    assert loader.in_order is True


def test_batches_taken_for_the_elements_of_a_loop(lives: Lives) -> None:
    """A loop over steps that takes a batch in each: step and batch stay together, wherever it is stopped."""
    for save_in_step in (True, False):
        lives.end()
        loader = numbers(8)
        group = lives(loader=loader)
        steps = []
        batches = iter(loader)
        for step in group.resume(range(8), "steps"):
            steps.append((step, next(batches).item()))
            if step == 3:
                group.save() if save_in_step else group._session.save("x")
                break
        if not save_in_step:
            steps.pop()
        del batches

        loader = numbers(8)
        group = lives(loader=loader)
        batches = iter(loader)
        steps += [(step, next(batches).item()) for step in group.resume(range(8), "steps")]
        assert steps == [(n, n) for n in range(8)]
        group.complete()


def test_what_was_done_within_an_element_is_passed_over(lives: Lives) -> None:
    """Training was over and validation was not, when the epoch of both was interrupted."""
    train, test = numbers(3), numbers(4)
    group = lives(train=train, test=test)
    seen: list[tuple[int, str, int]] = []

    def run(stop: bool) -> None:
        for epoch in group.resume(range(2), "epochs"):
            seen.extend((epoch, "train", batch.item()) for batch in train)
            for batch in test:
                seen.append((epoch, "test", batch.item()))
                if stop and epoch == 1 and batch == 1:
                    group.save()
                    return

    run(stop=True)
    train, test = numbers(3), numbers(4)
    group = lives(train=train, test=test)
    run(stop=False)

    wanted = [
        (e, name, n) for e in range(2) for name, last in (("train", 3), ("test", 4)) for n in range(last)
    ]
    assert seen == wanted


def test_nothing_within_a_batch_is_a_safe_point(lives: Lives) -> None:
    """Validation within a training batch is no place to save: the batch would be done again."""
    train, test = numbers(2), numbers(3)
    group = lives(train=train, test=test)
    served: list[str] = []
    gate = group._session.gate
    for _ in train:
        gate.when_open(lambda *, safe: served.append(f"safe={safe}"))
        list(test)
        assert served == []
        break
    list(train)
    assert served == ["safe=True"]


def test_epochs_may_be_passed_over(lives: Lives) -> None:
    """Who goes through a program's finished epochs again has them give nothing."""
    loader = numbers(3)
    group = lives(loader=loader)
    list(loader)
    list(loader)
    batches = iter(loader)
    next(batches)
    next(batches)
    group._session.save("x")

    loader = numbers(3)
    group = lives(loader=loader)
    manager = group._session.slot("loader").manager
    assert isinstance(manager, LoaderManager)
    manager.hold_still()
    given = []
    while manager.passing_over:
        given.append(list(loader))
    assert given == [[], []]
    assert [item.item() for item in loader] == [1, 2]


def test_after_complete_it_begins_anew(lives: Lives) -> None:
    """The next start begins with the first epoch."""
    loader = numbers()
    group = lives(loader=loader)
    list(loader)
    group.complete()
    list(loader)
    assert loader_position(loader).epoch == 1

    loader = numbers()
    lives(loader=loader)
    assert loader_position(loader) == Position(0, 0, 0)


def test_one_that_nobody_went_through_yet_stays_where_it_was(lives: Lives) -> None:
    """A life that ends before its loop does not lose the place."""
    loader = numbers()
    group = lives(loader=loader)
    for batch in loader:
        if batch == 3:
            group.save()
            break
    lives(loader=numbers()).save()

    loader = numbers()
    lives(loader=loader)
    assert [item.item() for item in loader] == [4, 5]


def test_another_data_set_is_refused_in_the_middle_of_an_epoch(lives: Lives) -> None:
    """It cannot be told which of its samples were seen; between epochs there are none to be told."""
    loader = numbers()
    group = lives(loader=loader)
    for batch in loader:
        if batch == 3:
            group.save()
            break
    with pytest.raises(SequenceChangedError, match="6 samples in the data set when it was saved, 7 now"):
        lives(loader=numbers(7))
    loader = numbers()
    group = lives(loader=loader)
    list(loader)
    group.save()
    loader = numbers(7)
    lives(loader=loader)
    assert len(list(loader)) == 7


def test_a_stream_needs_its_number_of_workers(lives: Lives) -> None:
    """It is divided among them."""
    loader = DataLoader(Stateful(), batch_size=2)
    group = lives(loader=loader)
    for _ in loader:
        group.save()
        break
    with pytest.raises(SequenceChangedError, match="0 workers when it was saved, 2 now"):
        lives(loader=DataLoader(Stateful(), batch_size=2, num_workers=2))


def test_what_cannot_be_tracked_is_told(lives: Lives) -> None:
    """A loader has one name; a list is none; and outside of a group there are no safe points."""
    loader = numbers()
    group = lives(loader=loader)
    with pytest.raises(DuplicateSlotError, match="tracked already, as 'loader'"):
        group.track(other=loader)
    group.register("list", LoaderManager)
    with pytest.raises(UnkeepableError, match="this is a list"):
        group.update("list", [1, 2])
    with pytest.raises(UnkeepableError, match=r"group\.track"):
        LoaderManager().hold(numbers())


def test_another_loader_takes_its_place(lives: Lives) -> None:
    """A loader that is made again in the same process goes on where the one before was."""
    loader = numbers()
    group = lives(loader=loader)
    batches = iter(loader)
    next(batches)
    next(batches)
    other = numbers()
    group.track(loader=other)

    assert type(loader) is DataLoader
    assert [item.item() for item in other] == [1, 2, 3, 4, 5]
