"""Scripts that nobody wrote for it carry on where they were killed, and end with the same bits."""

from __future__ import annotations

import re
import signal
import sys
from importlib.metadata import distribution
from inspect import cleandoc
from typing import TYPE_CHECKING

import pytest

from tests.integration.lives import TORCH, TRANSFORMERS, Ended, Life, lives
from tests.program import Program, clean_environ

if TYPE_CHECKING:
    from pathlib import Path

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(900)]
PATIENCE = 600

# What each script below is given: data of our own size, which ends the process when a certain sample is asked for.
PRELUDE = """
import hashlib, os, signal
import torch
torch.set_num_threads(1)
torch.manual_seed(3)

class Data(torch.utils.data.Dataset):
    asked = 0
    def __init__(self, make, size):
        self.samples = [make(number) for number in range(size)]
    def __len__(self):
        return len(self.samples)
    def __getitem__(self, number):
        Data.asked += 1
        if Data.asked == int(os.environ.get("KILL_AT", -1)):
            os.kill(os.getpid(), signal.SIGTERM)
        return self.samples[number]

def told(*made):
    digest = hashlib.sha256()
    for one in made:
        for name, value in one.state_dict().items():
            digest.update(f"{name} {value.numpy().tobytes().hex() if hasattr(value, 'numpy') else value}".encode())
    print("asked", Data.asked)
    print("bits", digest.hexdigest())
"""


def program(folder: Path, source: str, name: str = "train.py") -> Program:
    """Put a script into a folder of its own."""
    folder.mkdir(exist_ok=True)
    return Program(folder, source, name)


def bits(output: str) -> list[str]:
    """Give what a script says at its end."""
    return [line for line in output.splitlines() if line.startswith("bits")]


def asked(output: str) -> int:
    """Give how many samples a script asked for."""
    return int(re.findall(r"^asked (\d+)$", output, re.MULTILINE)[-1])


def killed_and_started_again(
    folder: Path, source: str, kill_at: int, names: str = "torch", frameworks: tuple[str, ...] = TORCH
) -> tuple[str, str]:
    """Give what a script says alone and without patches, and what it says after it was killed."""
    patched = {"LATTICE_AUTOPATCH": names}
    killed, again, alone = lives(
        folder,
        source,
        frameworks,
        [Life(environ=patched | {"KILL_AT": str(kill_at)}), Life(environ=patched), Life(store="alone")],
    )
    assert killed.status == -signal.SIGTERM, killed.errors
    assert again.status == alone.status == 0, again.errors + alone.errors
    return alone.output, again.output


# Gradients that are accumulated, a global counter, the best value so far, files, a scheduler that looks at the loss,
# random numbers in the evaluation, and a batch that is looked at before: what scripts do.
ORDINARY = (
    PRELUDE
    + """
import time
from pathlib import Path
from torch import nn
from torch.utils.data import DataLoader

data = Data(lambda number: (torch.randn(4), torch.randint(0, 3, ())), 64)
train_loader = DataLoader(data, batch_size=8, shuffle=True)
test_loader = DataLoader(data, batch_size=16)
images, labels = next(iter(train_loader))

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.drop, self.last = nn.Linear(4, 8), nn.Dropout(0.4), nn.Linear(8, 3)
    def forward(self, x):
        return self.last(self.drop(torch.relu(self.first(x))))

model = Net()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0)
loss_fn = nn.CrossEntropyLoss()
seen, best, history = 0, 1e9, []

def train():
    global seen
    model.train()
    running = 0.0
    for i, (x, y) in enumerate(train_loader):
        loss = loss_fn(model(x), y) / 3
        loss.backward()
        if i % 3 == 2:
            optimizer.step()
            optimizer.zero_grad()
        running += loss.item()
        seen += len(x)
        if os.environ.get("WAITS"):
            time.sleep(0.03)  # a save falls due now and then
    return running / (i + 1)

@torch.no_grad()
def test():
    model.eval()
    total, right = 0, 0
    for x, y in test_loader:
        out = model(x)
        total += loss_fn(out, y) + torch.rand(())
        right += (out.argmax(1) == y).sum().item()
    return total / len(test_loader), right

for epoch in range(5):
    mean = train()
    loss, right = test()
    history.append((mean, loss.item(), right))
    if loss < best:
        best = loss
        torch.save(model.state_dict(), "best.pt")
    scheduler.step(loss)
    print("epoch", epoch, mean, float(loss), right, flush=True)
    while os.environ.get("WAITS") and not list(Path("store").rglob("checkpoints/*.json")):
        time.sleep(0.02)
    print("done", epoch, flush=True)
told(model, optimizer, scheduler)
print("bits", seen, float(best), history, torch.load("best.pt")["first.bias"].tolist())
"""
)


@pytest.fixture(scope="module")
def ordinary(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """Have the script killed in training and in evaluation, and go through it alone."""
    patched = {"LATTICE_AUTOPATCH": "torch"}
    wanted = {"alone": Life(store="alone")}
    for name, sample in (("training", "200"), ("evaluation", "345")):
        # Alone last: it reads what the others have written, if it does not write it itself.
        wanted = {
            f"{name} killed": Life(store=name, environ=patched | {"KILL_AT": sample}),
            name: Life(store=name, environ=patched),
            f"{name} anew": Life(store=name, environ=patched),
        } | wanted
    ended = lives(tmp_path_factory.mktemp("ordinary"), ORDINARY, TORCH, list(wanted.values()))
    return dict(zip(wanted, ended, strict=True))


@pytest.mark.parametrize("place", ["training", "evaluation"])
def test_an_ordinary_script(place: str, ordinary: dict[str, Ended]) -> None:
    """It is stopped in its second epoch's training, or third's; all that it prints and writes is the same."""
    alone, again, anew = (ordinary[name] for name in ("alone", place, f"{place} anew"))
    assert ordinary[f"{place} killed"].status == -signal.SIGTERM
    assert [each.status for each in (alone, again, anew)] == [0, 0, 0], again.errors
    assert bits(again.output) == bits(alone.output)
    assert [line for line in again.output.splitlines() if "epoch" in line] == [
        line for line in alone.output.splitlines() if "epoch" in line
    ]
    assert asked(again.output) < asked(alone.output) - 128, "finished epochs are not loaded again"
    assert anew.output == alone.output, "it had ended by itself, and this was a new start"


def test_killed_without_warning(tmp_path: Path, ordinary: dict[str, Ended]) -> None:
    """From the last periodic save, twice."""
    config = "periodic_saving=enabled,periodic_saving_interval=0.1"
    patched = {"LATTICE_AUTOPATCH": "torch"}
    waits = patched | {"WAITS": "yes"}
    deaths = [(f"done {epoch}", signal.SIGKILL) for epoch in (1, 3)]
    wanted = [*(Life(environ=waits, config=config, death=death) for death in deaths), Life(environ=patched)]
    *killed, again = lives(tmp_path, ORDINARY, TORCH, wanted)
    assert [each.status for each in killed] == [-signal.SIGKILL] * 2, killed[0].errors + killed[1].errors
    assert bits(again.output) == bits(ordinary["alone"].output), again.errors
    assert asked(again.output) < asked(ordinary["alone"].output)


# Parameters in and outside of a module, and no loader: the steps are counted.
STEPS = (
    PRELUDE
    + """
offset = torch.randn(3, requires_grad=True)
model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(0.3), torch.nn.Linear(8, 3))
optimizer = torch.optim.Adam([{"params": model.parameters()}, {"params": [offset], "lr": 0.1}])
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 10)
for step in range(40):
    loss = ((model(torch.randn(16, 4)) + offset) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    if step == int(os.environ.get("KILL_AT", -1)):
        os.kill(os.getpid(), signal.SIGTERM)
    optimizer.step()
    scheduler.step()
told(model, optimizer, scheduler)
print("bits", offset.tolist())
"""
)


def test_a_loop_without_a_loader(tmp_path: Path) -> None:
    """It goes through its steps again, with an optimizer that holds still until the point is reached."""
    alone, again = killed_and_started_again(tmp_path, STEPS, 22)
    assert bits(again) == bits(alone)


# -- scripts of others, as they stand in what is installed


def of_docstring(text: str | None, last: str) -> str:
    """Take the example that stands in a docstring, down to its last line."""
    lines = [line.strip() for line in cleandoc(text or "").splitlines()]
    code = [line[4:] for line in lines if line.startswith(">>> ") and "xdoctest" not in line]
    return "\n".join(code[: next(number for number, line in enumerate(code) if last in line) + 1])


def sized(script: str, **sizes: str) -> str:
    """Make numbers of a script smaller, each of which must be there."""
    for before, after in sizes.items():
        number = before.strip("_")
        assert re.search(rf"\b{number}\b", script), script
        script = re.sub(rf"\b{number}\b", after, script)
    return script


def test_averaged_weights(tmp_path: Path) -> None:
    """The example in the documentation of ``torch.optim.swa_utils.AveragedModel``: two schedulers and an average."""
    script = of_docstring(torch.optim.swa_utils.AveragedModel.__doc__, "update_bn")
    script = sized(script.replace("loader, optimizer, model, loss_fn = ...", ""), _300="10", _160="3")
    source = f"""{PRELUDE}
from torch.optim.swa_utils import SWALR
data = Data(lambda number: (torch.randn(5), torch.randn(2)), 24)
loader = torch.utils.data.DataLoader(data, batch_size=8, shuffle=True)
model = torch.nn.Sequential(torch.nn.Linear(5, 6), torch.nn.BatchNorm1d(6), torch.nn.Dropout(), torch.nn.Linear(6, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
loss_fn = torch.nn.MSELoss()
{script}
told(model, swa_model, optimizer, scheduler, swa_scheduler)
"""
    alone, again = killed_and_started_again(tmp_path, source, 24 * 6 + 10)
    assert bits(again) == bits(alone)
    assert asked(again) == asked(alone) - 24 * 6 - 16


def test_warm_restarts(tmp_path: Path) -> None:
    """The example of ``CosineAnnealingWarmRestarts.step``, whose learning rate is that of the batch's number."""
    scheduler = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts
    script = sized(of_docstring(scheduler.step.__doc__, "scheduler.step(epoch + i / iters)"), _20="6")
    source = f"""{PRELUDE}
from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts
T_0, T_mult = 2, 1
data = Data(lambda number: {{"inputs": torch.randn(5), "labels": torch.randn(2)}}, 32)
dataloader = torch.utils.data.DataLoader(data, batch_size=4, shuffle=True)
net = torch.nn.Sequential(torch.nn.Linear(5, 6), torch.nn.Dropout(), torch.nn.Linear(6, 2))
criterion = torch.nn.MSELoss()
optimizer = torch.optim.Adam(net.parameters(), lr=0.1)
{script}
told(net, optimizer, scheduler)
"""
    alone, again = killed_and_started_again(tmp_path, source, 32 * 3 + 18)
    assert bits(again) == bits(alone)
    assert asked(again) == asked(alone) - 32 * 3 - 20


TORCHVISION = (
    PRELUDE
    + """
import sys, types
def convolutions():
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten(), torch.nn.Linear(144, 10)
    )
def pictures(folder, download, train, transform):
    return Data(lambda number: (torch.randn(3, 8, 8), number % 10), 48)
datasets = types.SimpleNamespace(CIFAR10=pictures)
transforms = types.SimpleNamespace(ToTensor=lambda: None)
models = types.SimpleNamespace(resnet18=convolutions)
"""
)


def test_the_script_of_a_readme(tmp_path: Path) -> None:
    """The plain PyTorch program in the README of Lightning, which it shows being changed to use Fabric."""
    lightning = pytest.importorskip("lightning", reason="Lightning is not installed")
    del lightning
    text = distribution("lightning").read_text("METADATA") or ""
    shown = next(block for block in re.findall(r"```diff\n(.*?)```", text, re.DOTALL) if "CIFAR10" in block)
    kept = [re.sub("^- ?", "  ", line) for line in shown.splitlines() if not line.startswith("+")]
    script = "\n".join(re.sub("^ {1,2}", "", line) if line.strip() else "" for line in kept)
    script = re.sub(r"^ (?=dataset = )", "", script, flags=re.MULTILINE).replace(
        "num_epochs = 10", "num_epochs = 4"
    )
    source = f"{script}\nimport torchvision\ntorchvision.told(model, optimizer)\n"
    (tmp_path / "torchvision.py").write_text(TORCHVISION, encoding="utf-8")
    alone, again = killed_and_started_again(tmp_path, source, 48 * 2 + 20)
    assert bits(again) == bits(alone)
    assert asked(again) == asked(alone) - 48 * 2 - 24


# -- frameworks with a loop of their own

TRAINER = (
    PRELUDE
    + """
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments, set_seed

set_seed(5)
config = GPT2Config(vocab_size=16, n_positions=8, n_embd=8, n_layer=1, n_head=2)
data = Data(lambda number: {"input_ids": torch.arange(6) % 5, "labels": torch.arange(6) * number % 16}, 24)
arguments = TrainingArguments(
    "out", num_train_epochs=3, per_device_train_batch_size=4, save_strategy="no", report_to=[], use_cpu=True,
    disable_tqdm=True,
)
trainer = Trainer(GPT2LMHeadModel(config), arguments, train_dataset=data)
trainer.train()
told(trainer.model)
"""
)


def test_a_trainer(tmp_path: Path) -> None:
    """A script with a ``transformers.Trainer``."""
    alone, again = killed_and_started_again(tmp_path, TRAINER, 38, "torch,transformers", TRANSFORMERS)
    assert bits(again) == bits(alone)
    assert asked(again) < asked(alone) - 24


def test_run_starts_it_again(tmp_path: Path, ordinary: dict[str, Ended]) -> None:
    """``LATTICE_AUTOPATCH=torch lattice run -- python train.py``, killed once in the middle of an epoch."""
    once = ORDINARY.replace(
        'if Data.asked == int(os.environ.get("KILL_AT", -1)):',
        'if Data.asked == 200 and not os.path.exists("once") and not open("once", "w").close():',
    )
    assert once != ORDINARY
    job = program(tmp_path / "job", once)
    given = clean_environ(LATTICE_AUTOPATCH="torch", OMP_NUM_THREADS="1")
    command = ("-m", "lattice_addons.cli", "run", "--restarts", "1", "--pause", "0", "--", sys.executable)
    again = job.run(python=command, environ=given, timeout=PATIENCE)
    assert again.returncode == 0, again.stderr
    assert bits(again.stdout) == bits(ordinary["alone"].output), again.stderr
