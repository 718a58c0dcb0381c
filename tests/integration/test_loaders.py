"""Real training programs, killed in the middle of an epoch: every sample comes once, and the last bits are the same."""

from __future__ import annotations

import functools
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.lives import TORCH, Life, lives

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.lives import Ended

pytest.importorskip("torch", reason="these programs train with torch")

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(900)]

# Each batch is written down before the step that it is for: a step that was half done shows as a batch that came twice.
TRAIN = """
    import os, random, signal, sys, time
    import torch
    from torch.utils.data import DataLoader, Dataset
    from lattice_addons import StateManagerGroup

    class Noisy(Dataset):
        def __len__(self):
            return 40
        def __getitem__(self, index):
            return index, torch.rand(4) + random.random()

    if __name__ == "__main__":
        os.setpgid(0, 0)
        torch.set_num_threads(1)
        torch.manual_seed(int(sys.argv[1]))
        random.seed(int(sys.argv[1]))
        model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(0.2), torch.nn.Linear(8, 1))
        optimizer = torch.optim.Adam(model.parameters())
        loader = DataLoader(Noisy(), batch_size=4, shuffle=True, {loader})
        group = StateManagerGroup()
        group.track(model=model, optimizer=optimizer, loader=loader)
        group.track_randomness()
        for epoch in group.resume(range(3), "epochs"):
            for number, (indices, x) in enumerate(loader):
                print("batch", epoch, *indices.tolist(), flush=True)
                optimizer.zero_grad()
                loss = model(x).pow(2).mean()
                loss.backward()
                if sys.argv[2:3] == [f"{{epoch}}:{{number}}"]:
                    # To all of the job: the workers die of it at once.
                    os.killpg(os.getpgrp(), signal.Signals[sys.argv[3]])
                    time.sleep(0.3)
                    print("still in the step", flush=True)
                optimizer.step()
                if "SIGKILL" in sys.argv and (epoch, number) == (1, 5):
                    group.save()
        print("end", sum(p.double().sum().item() for p in model.parameters()), torch.rand(()).item(), flush=True)
"""
LOADERS = {
    "alone": "",
    "workers": "num_workers=2, persistent_workers=True, generator=torch.Generator().manual_seed(3)",
}


def train(folder: Path, loader: str, *wanted: Life) -> list[Ended]:
    """Have the program live so many times."""
    return lives(folder, TRAIN.format(loader=LOADERS[loader]), TORCH, wanted)


def batches(*ended: Ended) -> list[str]:
    """Give the batches of some lives."""
    return [line for each in ended for line in re.findall(r"^batch (.*)$", each.output, re.MULTILINE)]


@pytest.fixture(scope="module")
def wholes(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Ended]:
    """Give what the program prints that nobody stops."""

    @functools.cache
    def whole(loader: str) -> Ended:
        [ended] = train(tmp_path_factory.mktemp("whole"), loader, Life(["1"]))
        assert ended.status == 0, ended.errors
        assert len(set(batches(ended))) == 30
        return ended

    return whole


@pytest.mark.parametrize("loader", LOADERS)
def test_a_signal_in_the_middle_of_a_step(
    loader: str, wholes: Callable[[str], Ended], tmp_path: Path
) -> None:
    """It waits for the end of the step: also where it goes to the workers, too, which die of it at once."""
    wanted = wholes(loader)
    first, second = train(tmp_path, loader, Life(["1", "1:6", "SIGTERM"]), Life(["99"]))
    assert first.status == -signal.SIGTERM, first.errors
    assert "still in the step" in first.output
    assert second.status == 0, second.errors
    assert batches(first, second) == batches(wanted)
    assert second.output.splitlines()[-1] == wanted.output.splitlines()[-1]


def test_a_kill_after_a_save(wholes: Callable[[str], Ended], tmp_path: Path) -> None:
    """What came after the save is done again, and nothing of what came before."""
    wanted = wholes("workers")
    first, second = train(tmp_path, "workers", Life(["1", "2:3", "SIGKILL"]), Life(["99"]))
    assert first.status == -signal.SIGKILL, first.errors
    assert second.status == 0, second.errors
    assert batches(first) == batches(wanted)[:24]
    assert batches(second) == batches(wanted)[16:]
    assert second.output.splitlines()[-1] == wanted.output.splitlines()[-1]


def test_the_example_ends_with_the_same_bits(tmp_path: Path) -> None:
    """``examples/train_torch.py``, killed twice: once with a save, once without."""
    source = (Path(__file__).parents[2] / "examples" / "train_torch.py").read_text(encoding="utf-8")
    config = "periodic_saving=enabled,periodic_saving_interval=0.05"
    kills = [("batch 1 12", signal.SIGTERM), ("batch 3 4", signal.SIGKILL)]
    killed = [Life(death=kill, config=config) for kill in kills]
    wanted, *died, ended = lives(tmp_path, source, TORCH, [Life(store="alone"), *killed, Life(config=config)])
    assert [each.status for each in died] == [-number for _, number in kills]
    assert ended.output.splitlines()[-2:] == wanted.output.splitlines()[-2:]
    assert not ended.output.startswith("batch 0"), "it began from the start"


OWN_LOOP = """
    import signal, sys
    from lattice_addons import StateManagerGroup
    signal.signal(signal.SIGTERM, lambda *_: print("told", flush=True))
    group = StateManagerGroup()
    group.register("halves")
    halves = group.get("halves") or 0
    print("from", halves, flush=True)
    group.safe_point()
    while True:
        halves += 1
        group.update("halves", halves)
        if halves == 7:
            print("in the step", flush=True)
        halves += 1
        group.update("halves", halves)
        if group.safe_point(last=halves >= 20):
            sys.exit(5)
        if halves >= 20:
            break
    print("end", halves, flush=True)
"""


def test_a_loop_of_ones_own_has_safe_points(tmp_path: Path) -> None:
    """Between two calls is a step: a signal waits for its end, and who handles it is told to end."""
    config = "atexit_saving=disabled"
    death = ("in the step", signal.SIGTERM)
    ended, again = lives(tmp_path, OWN_LOOP, TORCH, [Life(death=death, config=config), Life(config=config)])
    assert ended.status == 5, ended.errors
    assert ended.output.splitlines() == ["from 0", "in the step", "told"]
    assert again.output.splitlines() == ["from 8", "end 20"]
