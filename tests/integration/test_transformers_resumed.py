"""A ``transformers.Trainer`` that begins with a checkpoint of its own, or is broken off behind an epoch's last step."""

from __future__ import annotations

import signal
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
import json, os
import torch
from transformers import Trainer, TrainerCallback, TrainingArguments
from lattice_addons.integrations.transformers import LatticeCallback

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.net = torch.nn.Linear(1, 1)
    def forward(self, x):
        return {"loss": (self.net(x) * torch.rand(1)).mean()}

class Told(Trainer):
    def training_step(self, model, inputs, *args, **named):
        print("# row", inputs["x"].item(), flush=True)
        return super().training_step(model, inputs, *args, **named)

class Tell(TrainerCallback):
    def on_step_begin(self, args, state, control, **given):
        print("# step", state.global_step, flush=True)
    def on_prediction_step(self, args, state, control, **given):
        print("# evaluation", state.global_step, flush=True)

def trained(callbacks, resume_from=None, save="no"):
    torch.manual_seed(1)
    args = TrainingArguments(
        "out", num_train_epochs=3, per_device_train_batch_size=1, gradient_accumulation_steps=2, report_to=[],
        save_strategy=save, save_steps=5, disable_tqdm=True, use_cpu=True, learning_rate=0.1, eval_strategy="epoch",
    )
    rows = [{"x": torch.tensor([float(number)])} for number in range(7)]
    trainer = Told(Net(), args, train_dataset=rows, eval_dataset=rows[:2], callbacks=callbacks)
    trainer.train(resume_from_checkpoint=resume_from)
    print("#", json.dumps([trainer.state.epoch, trainer.state.global_step, *map(float, trainer.model.parameters())]))

checkpoint = "out/checkpoint-5" if "OWN" in os.environ else None
if "PLAIN" in os.environ:
    trained([], save="steps")
    print("# again", flush=True)
trained([Tell()] + ([LatticeCallback()] if "PLAIN" not in os.environ else []), checkpoint)
"""


def test_a_checkpoint_of_its_own_to_begin_with(tmp_path: Path) -> None:
    """The rest of its epoch is trained on, as without the callback, and carried on in that epoch and the next."""
    own = {"OWN": "yes"}
    deaths = [Life(environ=own, death=(f"# step {step}", signal.SIGTERM)) for step in (6, 8)]
    plain, *died, ended = lives(
        tmp_path, PROGRAM, TRANSFORMERS, [Life(environ={**own, "PLAIN": ""}), *deaths, Life(environ=own)]
    )
    assert [each.status for each in died] == [-15, -15], died[-1].errors
    assert ended.result == plain.result

    def rows(lines: list[str]) -> list[str]:
        return [line for line in lines if line.startswith("row")]

    again = plain.lines[plain.lines.index("again") :]
    assert [row for each in (*died, ended) for row in rows(each.lines)] == rows(again)


def test_broken_off_in_the_evaluation_behind_an_epoch(tmp_path: Path) -> None:
    """Its last step is done, with fewer batches than the others: the next process begins the next epoch."""
    death = Life(death=("# evaluation 4", signal.SIGINT))
    plain, died, ended = lives(tmp_path, PROGRAM, TRANSFORMERS, [Life(environ={"PLAIN": ""}), death, Life()])
    assert died.status == -2, died.errors
    assert ended.result == plain.result
