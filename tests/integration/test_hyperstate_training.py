"""Training on real data, killed for real, ends with the bits of the run that was left alone."""

from __future__ import annotations

import random
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.lives import TORCH, Life, lives

if TYPE_CHECKING:
    from collections.abc import Sequence

EXAMPLES = Path(__file__).parents[2] / "examples"
CONFIG = (EXAMPLES / "train_hyperstate.yaml").read_text()

NETWORK = """
    import hashlib
    from dataclasses import dataclass
    from typing import Any

    import torch
    from sklearn.datasets import load_digits
    from lattice_addons.hyperstate import Blob, HyperState, lazy

    torch.set_num_threads(1)

    @dataclass
    class Config:
        lr: float = 0.01
        hidden: int = 24
        steps: int = 30

    @dataclass
    class State:
        step: int
        random: Blob[Any]
        policy: Any = lazy(lambda config, state: torch.nn.Sequential(
            torch.nn.Linear(64, config.hidden), torch.nn.Dropout(0.2), torch.nn.Linear(config.hidden, 10)))
        optimizer: Any = lazy(lambda config, state: torch.optim.Adam(state.policy.parameters(), lr=config.lr))

    def initial(config):
        torch.manual_seed(0)
        return State(0, Blob(torch.random.get_rng_state()))

    run = HyperState.load(Config, State, initial, "train_hyperstate.yaml", "checkpoints", "step")
    state, policy, optimizer = run.state, run.state.policy, run.state.optimizer
    if state.step:
        torch.random.set_rng_state(state.random.get())
    digits = load_digits()
    images, labels = torch.tensor(digits.data / 16, dtype=torch.float32), torch.tensor(digits.target)
    while state.step < run.config.steps:
        chosen = torch.randint(0, len(labels), (32,))
        loss = torch.nn.functional.cross_entropy(policy(images[chosen]), labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        for group in optimizer.param_groups:
            group["lr"] = run.config.lr
        optimizer.step()
        state.step += 1
        state.random.set(torch.random.get_rng_state())
        run.step()
        print("step", state.step, flush=True)
    bits = b"".join(value.numpy().tobytes() for value in policy.state_dict().values())
    print("weights", hashlib.sha256(bits).hexdigest())
"""


def ends(
    folder: Path, source: str, frameworks: Sequence[str], config: str, kills: Sequence[int]
) -> tuple[list[str], list[str]]:
    """Run a program alone, and killed at these steps; give the ends of what both print."""
    found = []
    for name, steps in (("alone", ()), ("killed", kills)):
        (folder / name).mkdir()
        (folder / name / "train_hyperstate.yaml").write_text(config)
        killed = [Life(death=(f"step {step}", signal.SIGKILL)) for step in steps]
        *died, ended = lives(folder / name, source, frameworks, [*killed, Life()])
        assert [each.status for each in died] == [-signal.SIGKILL] * len(steps)
        assert ended.status == 0, ended.errors
        found.append(ended.output.splitlines())
    alone, again = found
    assert len(again) <= len(alone) - min(kills), "it began from the start"
    return alone[-1:], again[-1:]


def test_numpy(tmp_path: Path) -> None:
    """The example of the documentation, with a schedule, killed twice."""
    pytest.importorskip("sklearn", reason="scikit-learn has no build for this Python")
    kills = sorted(random.Random(4).sample(range(5, 45), 2))
    source = (EXAMPLES / "train_hyperstate.py").read_text()
    alone, killed = ends(tmp_path, source, ["sklearn.datasets"], CONFIG + "steps: 50\n", kills)
    assert alone == killed
    assert alone[0].startswith("weights ")


@pytest.mark.frameworks
def test_torch(tmp_path: Path) -> None:
    """A module with dropout and an Adam that needs its parameters, both restored in place."""
    pytest.importorskip("sklearn", reason="scikit-learn has no build for this Python")
    pytest.importorskip("torch", reason="PyTorch is not installed")
    alone, killed = ends(tmp_path, NETWORK, TORCH, 'lr: "0.01@0 lin 0.001@30"\n', [17])
    assert alone == killed
    assert alone[0].startswith("weights ")
