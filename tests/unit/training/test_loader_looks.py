"""A look at a batch before the loop, and loaders side by side, leave a resumed epoch what it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

torch = pytest.importorskip("torch", reason="these tests are about torch's loaders")

from torch.utils.data import DataLoader  # noqa: E402 - behind the skip

from .loader_lives import Noisy, begin, seeded  # noqa: E402 - behind the skip

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.frameworks


def shuffled() -> Any:
    """Make a loader whose order and samples come from the process's generators."""
    return DataLoader(Noisy(), batch_size=4, shuffle=True)


def train(folder: Path, seed: int, log: list[Any], *, look: bool, stop: int = -1) -> None:
    """Go through two loaders, side by side or after a look at one, and save after a number of batches."""
    seeded(seed)
    group = begin(folder)
    left, right = shuffled(), shuffled()
    group.track(left=left, right=right)
    group.track_randomness()
    try:
        if look:
            next(iter(left))
            list(right)
        for epoch in group.resume(range(2), "epochs"):
            for batches in zip(left) if look else zip(left, right):  # noqa: B905 - as people write it
                log.append((epoch, [batch.tolist() for batch in batches], torch.rand(()).item()))
                if len(log) == stop:
                    group.save()
                    return
            if look:
                for batch in right:
                    log.append((epoch, batch.tolist()))
                    if len(log) == stop:
                        group.save()
                        return
    finally:
        group.close()


@pytest.mark.parametrize("stop", [2, 7, 12])
@pytest.mark.parametrize("look", [True, False], ids=["after a look", "side by side"])
def test_the_rest_is_what_it_was(look: bool, stop: int, tmp_path: Path) -> None:
    """The same batches with the same bits, none twice and none left out."""
    whole: list[Any] = []
    train(tmp_path / "whole", 1, whole, look=look)
    stop = min(stop, len(whole) - 2)
    parts: list[Any] = []
    train(tmp_path / "parts", 1, parts, look=look, stop=stop)
    train(tmp_path / "parts", 99, parts, look=look)

    assert parts == whole


def test_a_generator_that_goes_round_and_round(tmp_path: Path) -> None:
    """It was begun within a step, and is not within the later ones: a save counts step and batch together."""
    steps = []
    for _ in range(2):
        group = begin(tmp_path)
        loader = DataLoader(list(range(3)))
        group.track(loader=loader)
        endless = (batch.item() for _ in range(9) for batch in loader)
        for step in group.resume(range(8), "steps"):
            steps.append((step, next(endless)))
            if len(steps) == 5:
                group.save()
                break
        endless.close()
        group.close()
    assert steps == [(number, number % 3) for number in range(8)]
