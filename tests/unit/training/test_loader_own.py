"""What a loader's parts count by themselves is put back, or told; so is what a program does around them."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

torch = pytest.importorskip("torch", reason="these tests are about torch's loaders")

import numpy as np  # noqa: E402 - behind the skip
from torch.utils.data import DataLoader, Dataset, IterableDataset, Sampler  # noqa: E402 - behind the skip

from .loader_lives import SAMPLES, begin, live  # noqa: E402 - behind the skip

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.frameworks


class Drawn(Sampler):
    """An order from a generator of its own."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(5)

    def __len__(self) -> int:
        """Count the samples."""
        return SAMPLES

    def __iter__(self) -> Iterator[int]:
        """Draw the order."""
        yield from self.rng.permutation(SAMPLES).tolist()


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("stop", [(1, 2), (0, -1)], ids=["within", "between"])
def test_a_sampler_with_a_generator_of_its_own(workers: int, stop: tuple[int, int], tmp_path: Path) -> None:
    """Whatever its name is, it goes on where it was."""

    def make() -> Any:
        return DataLoader(list(range(SAMPLES)), batch_size=4, sampler=Drawn(), num_workers=workers)

    whole: list[Any] = []
    live(tmp_path / "whole", make, seed=1, log=whole)
    parts: list[Any] = []
    live(tmp_path / "parts", make, seed=1, stop=stop, log=parts)
    live(tmp_path / "parts", make, seed=9, log=parts)
    assert parts == whole


class Epochs(IterableDataset):
    """A stream in another order each time, by a number that it counts itself."""

    def __init__(self) -> None:
        self.epoch = 0

    def __iter__(self) -> Iterator[int]:
        """Give what there is."""
        order = list(range(SAMPLES))
        random.Random(self.epoch).shuffle(order)
        self.epoch += 1
        yield from order


class Said(Epochs):
    """The same, and it says where it is."""

    def state_dict(self) -> dict[str, int]:
        """Say which epoch it is."""
        return {"epoch": self.epoch}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go there."""
        self.epoch = state["epoch"]


class Levels(Dataset):
    """Samples that get harder the more were asked for."""

    def __init__(self) -> None:
        self.level = 0

    def __len__(self) -> int:
        """Count the samples."""
        return SAMPLES

    def __getitem__(self, index: int) -> int:
        """Give a sample."""
        self.level += 1
        return index * self.level


class Orders:
    """Batches in another order each time."""

    def __init__(self) -> None:
        self.epoch = 0

    def __len__(self) -> int:
        """Count the batches."""
        return SAMPLES // 4

    def __iter__(self) -> Iterator[list[int]]:
        """Give their indices."""
        self.epoch += 1
        return (list(range(first, first + 4)) for first in range(0, SAMPLES, 4))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"dataset": Epochs}, "dataset.epoch"),
        ({"dataset": Epochs, "num_workers": 1, "persistent_workers": True}, "dataset.epoch"),
        ({"dataset": Levels}, "dataset.level"),
        ({"dataset": Levels, "num_workers": 1}, "dataset.level"),
        ({"dataset": lambda: list(range(SAMPLES)), "batch_sampler": Orders}, "batches.epoch"),
        ({"dataset": Said}, None),
        ({"dataset": lambda: list(range(SAMPLES)), "shuffle": True}, None),
    ],
)
def test_numbers_of_their_own_are_told(
    options: dict[str, Any], told: str | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A data set or sampler that counts by itself counts anew after a restart, unless it says where it is."""
    made = {name: value() if callable(value) else value for name, value in options.items()}
    live(tmp_path, lambda: DataLoader(**made), seed=1, epochs=1, log=[])
    assert caplog.text.count("is not put back after a restart") == (told is not None)
    if told is not None:
        assert f"{told} changed" in caplog.text


def test_a_batch_in_hand_when_the_loop_begins_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One that was looked at without its iterator being kept is not."""
    for keep in (False, True):
        caplog.clear()
        group = begin(tmp_path / str(keep))
        loader = DataLoader(list(range(4)))
        group.track(loader=loader)
        batches = iter(loader)
        next(batches)
        if not keep:
            del batches
        for _ in group.resume(range(2), "epochs"):
            list(loader)
        group.close()
        assert ("loop 'epochs' begins while a batch of 'loader'" in caplog.text) == keep


def test_a_loop_around_is_not_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A resumed loop in the body of a loop over a loader belongs to the batch."""
    group = begin(tmp_path)
    loader = DataLoader(list(range(3)))
    group.track(loader=loader)
    for _ in (batch for batch in loader):
        list(group.resume(range(2), "inner"))
    group.close()
    assert "in hand" not in caplog.text


@pytest.mark.parametrize("early", [True, False])
def test_a_save_before_the_last_loop_is_told(
    early: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It counts the element as done, and a program that is stopped behind it does not come to that loop again."""
    group = begin(tmp_path)
    train, test = DataLoader(list(range(3))), DataLoader(list(range(2)))
    group.track(train=train, test=test)
    for _ in group.resume(range(2), "epochs"):
        for batch in train:
            if batch == 1:
                group.save()
        if early:
            group.save()
        list(test)
        group.save()
    group.close()
    assert ("'test' begins within an element of 'epochs' that counts as done" in caplog.text) == early


@pytest.mark.parametrize("within", [True, False])
def test_a_half_made_step_is_told_when_it_is_made_again(
    within: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It comes of an exception, or of a step that took too long; a save by the program counts the batch as done."""
    seen = []
    for _ in range(2):
        group = begin(tmp_path)
        loader = DataLoader(list(range(4)))
        group.track(loader=loader)
        for batch in loader:
            seen.append(batch.item())
            if len(seen) == 2:
                group._session.save("periodic") if within else group.save()
                break
        group.close()
    assert seen == [0, 1, 1, 2, 3][: 2 + 3 * within] + [2, 3] * (not within)
    assert ("was made in the middle of batch 1" in caplog.text) == within
