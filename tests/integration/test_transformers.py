"""A ``transformers.Trainer`` that is killed and started again ends with the bits of one that was not."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from tests.integration.lives import TRANSFORMERS, Life, lives

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.lives import Ended

for name in ("torch", "transformers", "accelerate"):
    if find_spec(name) is None:
        pytest.skip(f"{name} is not installed", allow_module_level=True)
pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(900)]

PROGRAM = """
import hashlib, json, os, random, signal, sys, time
from contextlib import suppress
from pathlib import Path
import torch
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_utils import set_seed

how, where, name = sys.argv[1:] + ["", "-1", "SIGTERM"][len(sys.argv) - 1 :]
checkpoints = Path(os.environ["LATTICE_CHECKPOINT_CONFIG"].split(",")[0][5:], "program/rank-00000/checkpoints")

class Rows(torch.utils.data.Dataset):
    def __len__(self):
        return 22
    def __getitem__(self, index):
        return {"input_ids": torch.arange(index, index + 8) % 32}

def collate(rows):
    # Noise that is drawn with each batch, as when words are masked: an exact resume needs all of it.
    ids = torch.stack([row["input_ids"] for row in rows])
    ids = torch.where(torch.rand(ids.shape) < 0.2, random.randrange(32), ids)
    return {"input_ids": ids, "labels": ids.clone()}

def is_manual(path):
    with suppress(FileNotFoundError):  # retention has just deleted it
        return '"manual"' in path.read_text()

class Blow(TrainerCallback):
    began = False
    def on_step_begin(self, args, state, control, **given):
        if not self.began:
            print("# began at", state.global_step, flush=True)
        self.began = True
    def on_substep_end(self, args, state, control, **given):
        if how == "step" and state.global_step == int(where):
            self.blow()
    def on_prediction_step(self, args, state, control, **given):
        if how == "evaluation" and state.global_step == int(where):
            self.blow()
    def on_train_end(self, args, state, control, **given):
        if how == "end":
            self.blow()
    def blow(self):
        if name == "SIGKILL":
            # There must be something to go on from.
            deadline = time.monotonic() + 60
            while not any(map(is_manual, checkpoints.glob("*.json"))):
                assert time.monotonic() < deadline
                time.sleep(0.01)
        os.kill(os.getpid(), getattr(signal, name))

set_seed(1)
model = GPT2LMHeadModel(GPT2Config(vocab_size=32, n_positions=8, n_embd=16, n_layer=1, n_head=2))
callbacks = [Blow()]
if os.environ.get("BY") == "callback":
    from lattice_addons.integrations.transformers import LatticeCallback
    callbacks.append(LatticeCallback(every=2 if name == "SIGKILL" else None))
elif os.environ.get("BY") == "autopatch":
    import lattice_addons.integrations.transformers
    lattice_addons.integrations.transformers.autopatch()
args = TrainingArguments(
    "out", num_train_epochs=3, per_device_train_batch_size=2, gradient_accumulation_steps=2, logging_steps=3,
    eval_strategy="epoch", save_strategy="no", report_to=[], disable_tqdm=True, use_cpu=True, learning_rate=1e-2,
    warmup_steps=3, dataloader_num_workers=int(os.environ.get("WORKERS", 0)),
    dataloader_persistent_workers="LIVING" in os.environ,
)
trainer = Trainer(
    model, args, data_collator=collate, train_dataset=Rows(), eval_dataset=Rows(), callbacks=callbacks
)
output = trainer.train()
behind = trainer.evaluate()["eval_loss"]
bits = hashlib.sha256()
for value in model.state_dict().values():
    bits.update(value.numpy().tobytes())
print("# random", torch.rand(1).item(), random.random())
log = [{key: value for key, value in line.items() if not key.endswith(("runtime", "per_second", "time"))}
       for line in trainer.state.log_history]
result = {"bits": bits.hexdigest(), "log": log, "loss": output.training_loss, "steps": output.global_step,
          "behind": behind}
print("# " + json.dumps(result))
"""

CALLBACK = {"BY": "callback"}
PATCHED = {"BY": "autopatch", "WORKERS": "2"}
LIVING = {"WORKERS": "2", "LIVING": "yes"}


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """Start the program again and again, each time to another end."""
    wanted = {
        "plain": Life(),
        "in a step": Life(["step", "4"], "one", CALLBACK),
        "in an evaluation": Life(["evaluation", "6"], "one", CALLBACK),
        "killed": Life(["step", "13", "SIGKILL"], "one", CALLBACK),
        "carried on": Life([], "one", CALLBACK),
        "once more": Life([], "one", CALLBACK),
        "at the end": Life(["end"], "three", CALLBACK),
        "after the end": Life([], "three", CALLBACK),
        "plain, workers": Life(environ={"WORKERS": "2"}),
        "patched, in a step": Life(["step", "8"], "two", PATCHED),
        "patched, carried on": Life([], "two", PATCHED),
        "living, plain": Life(environ=LIVING),
        "living, in a step": Life(["step", "8"], "four", LIVING | CALLBACK),
        "living, carried on": Life([], "four", LIVING | CALLBACK),
    }
    folder = tmp_path_factory.mktemp("transformers")
    return dict(zip(wanted, lives(folder, PROGRAM, TRANSFORMERS, list(wanted.values())), strict=True))


def test_a_signal_ends_it_after_the_step_and_the_next_life_begins_with_the_next(
    ended: dict[str, Ended],
) -> None:
    """A SIGTERM in the middle of a step of several batches saves, kills, and loses nothing."""
    assert [ended[name].status for name in ("in a step", "in an evaluation", "killed")] == [-15, -15, -9]
    assert ended["in a step"].lines == ["began at 0"]
    assert ended["in an evaluation"].lines == ["began at 5"]


def test_a_signal_in_an_evaluation_waits_for_its_end(ended: dict[str, Ended]) -> None:
    """What is measured between two epochs is measured once, and the next life begins with the next epoch."""
    assert ended["killed"].lines == ["began at 6"]


def test_a_kill_costs_what_came_after_the_last_save(ended: dict[str, Ended]) -> None:
    """After a SIGKILL the run goes on from a save of its own, made every other step."""
    first = int(ended["carried on"].lines[0].split()[-1])
    assert 6 < first <= 13
    assert first % 2 == 0


def test_the_end_is_bit_for_bit_that_of_a_run_without_us(ended: dict[str, Ended]) -> None:
    """Weights, losses, the log, the metrics and the next random numbers are the same after three deaths."""
    assert ended["carried on"].result == ended["plain"].result
    assert ended["carried on"].lines[-2] == ended["plain"].lines[-2]


def test_what_had_ended_is_not_trained_again(ended: dict[str, Ended]) -> None:
    """A program that is started once more gets the trained model and the result at once."""
    assert ended["once more"].result == ended["plain"].result
    assert not any(line.startswith("began") for line in ended["once more"].lines)


def test_what_comes_behind_a_training_begins_with_the_same_random_state(ended: dict[str, Ended]) -> None:
    """Also where numbers were drawn since, which the last save knows: the program draws those again."""
    assert ended["once more"].lines[-2] == ended["plain"].lines[-2]


def test_a_signal_behind_the_last_step_is_served_when_the_result_is_known(ended: dict[str, Ended]) -> None:
    """The next life gets the result, and writes its line into the log no second time."""
    assert ended["at the end"].status == -15
    assert ended["after the end"].result == ended["plain"].result
    assert ended["after the end"].lines[-2] == ended["plain"].lines[-2]


def test_an_unchanged_script_is_exact_too_with_workers(ended: dict[str, Ended]) -> None:
    """Patched from without, with noise that is drawn in the loader's workers."""
    assert ended["patched, in a step"].status == -15
    assert ended["patched, carried on"].lines[0] == "began at 9"
    assert ended["patched, carried on"].result == ended["plain, workers"].result
    assert ended["plain, workers"].result["bits"] != ended["plain"].result["bits"]


def test_workers_that_live_on_from_evaluation_to_evaluation(ended: dict[str, Ended]) -> None:
    """Those of training and evaluation have successors, which draw what was due, and nothing of the program's."""
    assert ended["living, in a step"].status == -15
    assert ended["living, carried on"].lines[0] == "began at 9"
    assert ended["living, carried on"].result == ended["living, plain"].result
    assert ended["living, carried on"].lines[-2] == ended["living, plain"].lines[-2]


def test_nothing_is_told_that_is_not_so(ended: dict[str, Ended]) -> None:
    """Accelerate fetches ahead, which is kept, and counts epochs, which it is told again."""
    told = [line for one in ended.values() for line in one.errors.splitlines() if line.startswith("loader ")]
    assert told == []


BROKEN = """
import json, os
from pathlib import Path
import torch
from transformers import Trainer, TrainingArguments
from lattice_addons.integrations.transformers import LatticeCallback

seen = []

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.net = torch.nn.Linear(1, 1)
    def forward(self, x):
        return {"loss": self.net(x).mean()}

class OneLoader(Trainer):
    def get_train_dataloader(self):
        return loader
    def training_step(self, model, inputs, *args, **named):
        seen.append(inputs["x"][0].item())
        if len(seen) == 3 and os.environ.pop("BROKEN", ""):  # the first time
            raise ValueError("broken off")
        return super().training_step(model, inputs, *args, **named)

def train():
    try:
        trainer.train()
    except ValueError as error:
        assert str(error) == "broken off", error
    print("#", json.dumps(seen), type(within) is torch.utils.data.DataLoader)
    seen.clear()

def saved(slot):
    next(iter(within))  # it is the program's
    callback.group.save()
    newest = max(Path("store", "program", "rank-00000", "checkpoints").glob("*.json"))
    place = json.loads(newest.read_text())["slots"][slot]["value"]
    print("#", place["epoch"], place["batch"])

args = TrainingArguments(
    "out", num_train_epochs=1, per_device_train_batch_size=2, report_to=[], save_strategy="no", disable_tqdm=True,
    use_cpu=True
)
callback = LatticeCallback()
trainer = OneLoader(Net(), args, callbacks=[callback])
within = torch.utils.data.DataLoader([{"x": torch.tensor([float(number)])} for number in range(8)], 2)
loader = trainer.accelerator.prepare(within)
within = loader.base_dataloader
train()
saved("trainer.dataloader")
train()
saved("trainer-2.dataloader")
"""


def test_a_training_that_broke_off_lets_go_of_its_loader(tmp_path: Path) -> None:
    """As one that ended does: the next one begins it anew, and the next process goes on within the first."""
    broken, again = lives(tmp_path, BROKEN, TRANSFORMERS, [Life(environ={"BROKEN": "yes"}), Life()])
    assert (broken.status, again.status) == (0, 0), broken.errors + again.errors
    # What the program itself takes of the loader afterwards is not in what it saves.
    assert broken.lines == ["[0.0, 2.0, 4.0] True", "0 3", "[0.0, 2.0, 4.0, 6.0] True", "1 0"]
    assert again.lines == ["[4.0, 6.0] True", "1 0", "[] True", "1 0"]
