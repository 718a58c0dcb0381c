"""A ``lightning.Trainer`` that is killed and started again ends with the bits of one that was not."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from tests.integration.lives import Life, lives

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.lives import Ended

for name in ("torch", "lightning"):
    if find_spec(name) is None:
        pytest.skip(f"{name} is not installed", allow_module_level=True)
pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(900)]

PROGRAM = """
import hashlib, json, logging, os, random, signal, sys, time, warnings
from contextlib import suppress
from pathlib import Path
warnings.simplefilter("ignore")
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
import torch, torchmetrics
import lightning as L
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint

how, where, name = sys.argv[1:] + ["", "-1", "SIGTERM"][len(sys.argv) - 1 :]
checkpoints = Path(os.environ["LATTICE_CHECKPOINT_CONFIG"].split(",")[0][5:], "program/rank-00000/checkpoints")

def is_manual(path):
    with suppress(FileNotFoundError):  # retention has just deleted it
        return '"manual"' in path.read_text()

def blow(epoch, batch):
    if epoch * 11 + batch == int(where):
        if name == "SIGKILL":
            # There must be something to go on from.
            deadline = time.monotonic() + 60
            while not any(map(is_manual, checkpoints.glob("*.json"))):
                assert time.monotonic() < deadline
                time.sleep(0.01)
        os.kill(os.getpid(), getattr(signal, name))

def row(index):
    x = torch.full((4,), index / 22) + torch.rand(4) * 0.1 + random.random() * 0.1
    return x, x.sum()

class Rows(torch.utils.data.Dataset):
    def __len__(self):
        return 22
    def __getitem__(self, index):
        return row(index)

class Stream(torch.utils.data.IterableDataset):
    def __iter__(self):
        return (row(index) for index in range(22))

class Net(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = torch.nn.Sequential(
            torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.Dropout(0.3), torch.nn.Linear(8, 1)
        )
        self.error = torchmetrics.MeanAbsoluteError()
        self.errors, self.began, self.batch = [], False, -1
    def training_step(self, batch, index):
        if not self.began:
            print("# began at", self.trainer.current_epoch, index, flush=True)
        self.began, self.batch = True, index
        x, y = batch
        guess = self.net(x).squeeze(-1)
        loss = torch.nn.functional.mse_loss(guess, y)
        self.error(guess.detach(), y)
        self.log("error", self.error, on_step=False, on_epoch=True)
        self.log("loss", loss, on_step=True, on_epoch=True)
        if how == "batch" and trainer.max_epochs == (1 if "LATER" in os.environ else 3):
            blow(self.trainer.current_epoch, index)
        return loss
    def validation_step(self, batch, index):
        x, y = batch
        self.log("val", torch.nn.functional.mse_loss(self.net(x).squeeze(-1), y))
        if how == "validation" and index == 1 and not self.trainer.sanity_checking:
            blow(self.trainer.current_epoch, self.batch)
    def on_train_epoch_end(self):
        self.errors.append(self.error.compute().item())
    def on_save_checkpoint(self, checkpoint):
        checkpoint["errors"] = list(self.errors)
    def on_load_checkpoint(self, checkpoint):
        self.errors = list(checkpoint["errors"])
    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), 1e-2)
        # Its patience is at its end each time: a step too many or too few would be seen.
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=0, threshold=1e9)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": plateau, "monitor": "val"}}

L.seed_everything(1, verbose=False)
model = Net()
stopping = EarlyStopping("val", patience=50)
callbacks = [stopping, ModelCheckpoint("saved-" + os.environ.get("BY", ""), save_last=True)]
if os.environ.get("BY") == "callback":
    from lattice_addons.integrations.lightning import LatticeCallback
    callbacks.append(LatticeCallback(every=3 if name == "SIGKILL" else None))
elif os.environ.get("BY") == "autopatch":
    import lattice_addons.integrations.lightning
    lattice_addons.integrations.lightning.autopatch()
if os.environ.get("DATA") == "stream":
    rows, options = Stream(), {"val_check_interval": 1.0}
else:
    rows, options = Rows(), {"val_check_interval": 0.5}
train = torch.utils.data.DataLoader(
    rows, 2, shuffle=isinstance(rows, Rows) or None, num_workers=int(os.environ.get("WORKERS", 0))
)
trainer = L.Trainer(
    max_epochs=int(os.environ.get("EPOCHS", 3)), accelerator="cpu", callbacks=callbacks, logger=False,
    enable_progress_bar=False, enable_model_summary=False, accumulate_grad_batches=2, log_every_n_steps=1, **options
)
held_out = {"num_workers": 1, "persistent_workers": True} if "LIVING" in os.environ else {}
held_out = torch.utils.data.DataLoader(Rows(), 4, **held_out)
trainer.fit(model, train, held_out, ckpt_path=os.environ.get("FROM"))
if "LIVING" in os.environ:
    print("# once more", flush=True)
    trainer = L.Trainer(
        max_epochs=1, accelerator="cpu", callbacks=callbacks[2:], logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0
    )
    trainer.fit(model, train, held_out)
bits = hashlib.sha256()
for value in model.state_dict().values():
    bits.update(value.numpy().tobytes())
print("# random", torch.rand(1).item(), random.random())
print("# " + json.dumps({
    "bits": bits.hexdigest(),
    "errors": model.errors,
    "metrics": {key: value.item() for key, value in sorted(trainer.callback_metrics.items())},
    "rate": trainer.optimizers[0].param_groups[0]["lr"],
    "stopping": [stopping.wait_count, stopping.best_score.item()],
    "steps": [trainer.global_step, trainer.fit_loop.epoch_loop._batches_that_stepped, trainer.current_epoch],
}))
"""

# The file systems are what Lightning looks for when it writes a file.
MODULES = ("torch", "numpy", "torchmetrics", "lightning.pytorch", "gcsfs", "s3fs", "adlfs", "omegaconf")
CALLBACK = {"BY": "callback"}
STREAM = {"BY": "autopatch", "DATA": "stream", "WORKERS": "1"}


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """Start the program again and again, each time to another end."""
    last = {"FROM": "saved-callback/last.ckpt", "EPOCHS": "4"}
    wanted = {
        "plain": Life(),
        "in a batch": Life(["batch", "4"], "one", CALLBACK),
        "in a validation": Life(["validation", "15"], "one", CALLBACK),
        "killed": Life(["batch", "28", "SIGKILL"], "one", CALLBACK),
        "carried on": Life([], "one", CALLBACK),
        "once more": Life([], "one", CALLBACK),
        "before a validation": Life(["batch", "3"], "four", CALLBACK),
        "behind a validation": Life([], "four", CALLBACK),
        "stream, plain": Life(environ={"DATA": "stream", "WORKERS": "1"}),
        "stream, in a batch": Life(["batch", "13"], "two", STREAM),
        "stream, carried on": Life([], "two", STREAM),
        "from a file, plain": Life(environ=last),
        "from a file": Life([], "three", last | CALLBACK),
    }
    folder = tmp_path_factory.mktemp("lightning")
    return dict(zip(wanted, lives(folder, PROGRAM, MODULES, list(wanted.values())), strict=True))


@pytest.fixture(scope="module")
def living(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """Start it with workers that live on between validations, and with a second fit."""
    wanted = {
        "plain": Life(environ={"LIVING": "yes"}),
        "in a batch": Life(["batch", "13"], "five", {"LIVING": "yes"} | CALLBACK),
        "carried on": Life(["batch", "4"], "five", {"LIVING": "yes", "LATER": "yes"} | CALLBACK),
        "once more": Life([], "five", {"LIVING": "yes"} | CALLBACK),
    }
    folder = tmp_path_factory.mktemp("living")
    return dict(zip(wanted, lives(folder, PROGRAM, MODULES, list(wanted.values())), strict=True))


def test_a_signal_ends_it_as_lightning_does_and_the_next_life_loses_nothing(ended: dict[str, Ended]) -> None:
    """A SIGTERM between the two batches of one step: Lightning ends the program by SystemExit, with status 0."""
    assert ended["in a batch"].status == 0
    assert ended["in a batch"].lines == ["began at 0 0"]
    # Lightning goes through one more batch before it ends; that is saved, too.
    assert ended["in a validation"].lines in (["began at 0 5"], ["began at 0 6"])


def test_a_signal_in_a_validation_waits_for_its_end(ended: dict[str, Ended]) -> None:
    """The batch before a validation is not trained on again."""
    assert ended["in a validation"].status == 0
    assert ended["killed"].lines in (["began at 1 5"], ["began at 1 6"])


def test_a_signal_that_is_served_before_a_validation_does_not_cut_it_short(ended: dict[str, Ended]) -> None:
    """Lightning would leave it after its first batch, and the next life would begin behind it."""
    assert ended["before a validation"].status == 0
    assert ended["behind a validation"].lines[0] == "began at 0 5"
    assert ended["behind a validation"].result == ended["plain"].result


def test_a_kill_costs_what_came_after_the_last_save(ended: dict[str, Ended]) -> None:
    """After a SIGKILL the run goes on from a save of its own, made every three batches."""
    assert ended["killed"].status == -9
    epoch, batch = map(int, ended["carried on"].lines[0].split()[-2:])
    assert 16 < epoch * 11 + batch <= 28


def test_the_end_is_bit_for_bit_that_of_a_run_without_us(ended: dict[str, Ended]) -> None:
    """Weights, means over epochs, torchmetrics, schedulers, and the next random numbers are the same."""
    assert ended["carried on"].result == ended["plain"].result
    assert ended["carried on"].lines[-2] == ended["plain"].lines[-2]


def test_what_had_ended_is_not_trained_again(ended: dict[str, Ended]) -> None:
    """A program that is started once more has the trained model and its metrics."""
    assert ended["once more"].result == ended["plain"].result
    assert not any(line.startswith("began") for line in ended["once more"].lines)
    # What comes behind begins with the same random state, also where numbers were drawn since.
    assert ended["once more"].lines[-2] == ended["plain"].lines[-2]


def test_a_stream_is_not_seen_twice(ended: dict[str, Ended]) -> None:
    """Of an iterable data set Lightning holds a batch in advance, which is kept; this by patches from without."""
    assert ended["stream, in a batch"].lines == ["began at 0 0"]
    assert ended["stream, carried on"].lines[0] in ("began at 1 3", "began at 1 4")
    assert ended["stream, carried on"].result == ended["stream, plain"].result


def test_lightnings_own_checkpoints_stay_what_they_are(ended: dict[str, Ended]) -> None:
    """A file that was written by a run of ours is read by Lightning alone, and by a run of ours that has no store."""
    assert ended["from a file, plain"].lines[0].startswith("began at 2")
    assert ended["from a file"].lines == ended["from a file, plain"].lines


def test_workers_that_live_on_from_validation_to_validation(living: dict[str, Ended]) -> None:
    """Their successors draw what was due, and their making moves nothing: they were made for the sanity check."""
    assert living["in a batch"].lines == ["began at 0 0"]
    assert living["carried on"].lines[0] in ("began at 1 3", "began at 1 4")
    assert living["once more"].result == living["plain"].result
    assert living["once more"].lines[-2] == living["plain"].lines[-2]


def test_a_second_fit_goes_through_the_same_loaders(living: dict[str, Ended]) -> None:
    """It has slots of its own, and is carried on like the first, which is not trained again."""
    assert living["carried on"].lines[1:] == ["once more"]
    assert living["once more"].lines[0] == "once more"
    assert living["once more"].lines[1] in ("began at 0 5", "began at 0 6")
    assert not any("loader '" in each.errors for each in living.values())


BROKEN = """
import json, logging, os, warnings
warnings.simplefilter("ignore")
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
import torch
import lightning as L
from lattice_addons.integrations.lightning import LatticeCallback

seen = []

class Net(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = torch.nn.Linear(1, 1)
    def training_step(self, batch, index):
        seen.append(batch[0].item())
        if len(seen) == 3 and os.environ.pop("BROKEN", ""):  # the first time
            raise ValueError("broken off")
        return self.net(batch).mean()
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 1e-2)

def fit(net):
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    trainer = L.Trainer(max_epochs=1, accelerator="cpu", logger=False, callbacks=[LatticeCallback()], **quiet)
    try:
        trainer.fit(net, loader)
    except ValueError as error:
        assert str(error) == "broken off", error
    print("#", json.dumps(seen), type(loader) is torch.utils.data.DataLoader)
    seen.clear()

loader = torch.utils.data.DataLoader(torch.arange(8.0).reshape(8, 1), 2)
for _ in range(2):
    fit(Net())
"""


def test_a_fit_that_broke_off_lets_go_of_its_loader(tmp_path: Path) -> None:
    """A program that goes on has the next fit go through it, and the next process goes on within the first one."""
    broken, again = lives(tmp_path, BROKEN, MODULES, [Life(environ={"BROKEN": "yes"}), Life()])
    assert (broken.status, again.status) == (0, 0), broken.errors + again.errors
    assert broken.lines == ["[0.0, 2.0, 4.0] True", "[0.0, 2.0, 4.0, 6.0] True"]
    assert again.lines == ["[4.0, 6.0] True", "[] True"]
