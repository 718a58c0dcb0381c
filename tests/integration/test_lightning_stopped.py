"""A fit that an early stop had ended is over at once when its program is started again."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from tests.integration.lives import Life, lives

if TYPE_CHECKING:
    from pathlib import Path

for name in ("torch", "lightning"):
    if find_spec(name) is None:
        pytest.skip(f"{name} is not installed", allow_module_level=True)
pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(600)]

PROGRAM = """
import json, logging, os, signal, sys, warnings
warnings.simplefilter("ignore")
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
import torch
import lightning as L
from lightning.pytorch.callbacks import EarlyStopping
from lattice_addons.integrations.lightning import LatticeCallback

class Net(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = torch.nn.Linear(1, 1)
    def training_step(self, batch, index):
        print("# batch", self.current_epoch, index, flush=True)
        if sys.argv[1:] == [str(index)]:
            os.kill(os.getpid(), signal.SIGTERM)
        return self.net(batch).mean()
    def validation_step(self, batch, index):
        self.log("val", torch.rand(1))
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 1e-2)

L.seed_everything(1, verbose=False)
net, rows = Net(), torch.arange(4.0).reshape(4, 1)
trainer = L.Trainer(
    max_epochs=5, max_steps=int(os.environ.get("STEPS", -1)),
    accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False,
    enable_checkpointing=False,
    callbacks=[EarlyStopping("val", stopping_threshold=2.0, strict=False), LatticeCallback()]
)
trainer.fit(net, torch.utils.data.DataLoader(rows, 1, shuffle=True), torch.utils.data.DataLoader(rows, 2))
print("#", json.dumps([torch.rand(1).item(), net.net.weight.item(), trainer.global_step]))
"""


def test_what_comes_behind_an_early_stop_draws_the_same_numbers(tmp_path: Path) -> None:
    """Lightning begins such a training before it sees that it is over: what it draws then is put back."""
    first, second, third = lives(tmp_path, PROGRAM, ("torch", "numpy", "lightning.pytorch"), [Life()] * 3)
    assert first.lines[:-1] == [f"batch 0 {n}" for n in range(4)], first.errors
    assert len(second.lines) == len(third.lines) == 1, second.errors
    assert first.result == second.result == third.result


def test_what_comes_behind_a_last_batch_draws_the_same_numbers(tmp_path: Path) -> None:
    """A signal ends the program where nothing is left but to say so: each later process draws what was due."""
    steps = {"STEPS": "3"}
    wanted = [Life(store="plain", environ=steps), Life(["1"], environ=steps), *[Life(environ=steps)] * 3]
    plain, died, *later = lives(tmp_path, PROGRAM, ("torch", "numpy", "lightning.pytorch"), wanted)
    assert died.lines == plain.lines[:-1] == ["batch 0 0", "batch 0 1", "batch 0 2"], died.errors
    assert [each.result for each in later] == [plain.result] * 3
    assert not any(line.startswith("batch") for each in later for line in each.lines)
