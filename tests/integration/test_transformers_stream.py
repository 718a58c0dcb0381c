"""A ``transformers.Trainer`` on a stream of unknown length goes on in its own epoch, with the batches that are due."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from tests.integration.lives import TRANSFORMERS, Life, lives

if TYPE_CHECKING:
    from pathlib import Path

for name in ("torch", "transformers", "accelerate"):
    if find_spec(name) is None:
        pytest.skip(f"{name} is not installed", allow_module_level=True)
pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(900)]

PROGRAM = """
import json, os, random, signal, sys
import torch
from transformers import Trainer, TrainingArguments
from lattice_addons.integrations.transformers import LatticeCallback

class Rows(torch.utils.data.IterableDataset):
    epoch = 0
    def set_epoch(self, epoch):
        self.epoch = epoch
    def __iter__(self):
        order = random.Random(self.epoch).sample(range(7), 7)
        return ({"x": torch.tensor([float(number)])} for number in order)

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.net = torch.nn.Linear(1, 1)
    def forward(self, x):
        return {"loss": (self.net(x) * torch.rand(1)).mean()}

class Told(Trainer):
    count = 0
    def training_step(self, model, inputs, *args, **named):
        print("# row", inputs["x"].item(), flush=True)
        self.count += 1
        if self.count == int(os.environ.get("DEATH", 0)):
            os.kill(os.getpid(), signal.SIGTERM)
        return super().training_step(model, inputs, *args, **named)

torch.manual_seed(1)
args = TrainingArguments(
    "out", max_steps=int(os.environ.get("STEPS", 10)), per_device_train_batch_size=1, gradient_accumulation_steps=2,
    report_to=[], save_strategy="no", disable_tqdm=True, use_cpu=True, learning_rate=0.1
)
trainer = Told(Net(), args, train_dataset=Rows(), callbacks=[LatticeCallback()] if "PLAIN" not in os.environ else [])
trainer.train()
print("#", json.dumps([trainer.state.epoch, *map(float, trainer.model.parameters())]))
"""


def test_an_epoch_is_not_told_by_the_number_of_steps(tmp_path: Path) -> None:
    """It is shuffled by its epoch, which no number of steps tells, and its last batch makes no step."""
    deaths = [Life(environ={"DEATH": death}) for death in ("9", "4", "5")]
    wanted = [Life(environ={"PLAIN": "yes"}), *deaths, Life(), Life(environ={"STEPS": "12"})]
    plain, *died, ended, more = lives(tmp_path, PROGRAM, TRANSFORMERS, wanted)
    assert [each.status for each in died] == [-15] * 3, died[-1].errors
    assert ended.result == plain.result
    assert [line for each in (*died, ended) for line in each.lines] == plain.lines
    # It had ended, and is not trained any further: that is told.
    assert more.result == plain.result
    assert "had ended, with 10 steps, and the program now asks for 12" in more.errors
    assert "had ended" not in ended.errors
