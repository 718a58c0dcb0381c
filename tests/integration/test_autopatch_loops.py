"""Loops as scripts write them: side by side, broken off, in expressions, within functions of one name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.lives import TORCH, Life, lives

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("torch", reason="PyTorch is not installed")

pytestmark = pytest.mark.frameworks

START = """
import json, os, signal, sys
import torch
from torch import nn
if os.environ.get("LATTICE_AUTOPATCH"):
    import lattice_addons.autopatch
from torch.utils.data import DataLoader, TensorDataset
torch.set_num_threads(1)
torch.manual_seed(3)
X, U = torch.randn(32, 4), torch.randn(40, 4)
train = DataLoader(TensorDataset(X, X.sum(1, keepdim=True)), batch_size=8, shuffle=True)
own = torch.Generator().manual_seed(5)
other = DataLoader(TensorDataset(U), batch_size=16, shuffle=True, generator=own)
test = DataLoader(TensorDataset(X[:16], X[:16].sum(1, keepdim=True)), batch_size=8)
model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.2), nn.ReLU(), nn.Linear(8, 1))
optimizer = torch.optim.Adam(model.parameters(), 0.05)
done = 0
def step(x, y):
    global done
    done += 1
    if done == int(os.environ.get("KILL_AT", -1)):
        os.kill(os.getpid(), signal.SIGTERM)
    if done == int(os.environ.get("RAISE_AT", -1)):
        raise OSError("no room")
    loss = ((model(x) - y) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()
def tell(*values):
    print("#", json.dumps([values, [p.tolist() for p in model.parameters()]]))
"""

SIDE_BY_SIDE = """
class Meter:
    def __init__(self):
        self.values = []
history = []
for epoch in range(4):
    meter = Meter()
    for (x, y), (u,) in zip(train, other):
        meter.values.append(step(x, y) + float(u.sum()))
    with torch.inference_mode():
        for x, y in test:
            meter.values.append(float(((model(x) - y) ** 2).mean()))
    history.append(meter.values)
tell(history)
"""

BROKEN_OFF = """
history = []
for epoch in range(4):
    batches, total = enumerate(train), 0.0
    for i, (x, y) in batches:
        if i == 3:
            break
        total += step(x, y)
    lying = iter(train)
    x, y = next(lying)
    history.append((total, float(((model(x) - y) ** 2).mean())))
tell(history)
"""

BROKEN_OFF_AT_ONCE = """
losses = []
for epoch in range(3):
    for i, (x, y) in enumerate(train):
        losses.append(step(x, y))
        if i == 2:
            break
tell(losses)
"""

EXPRESSIONS = """
history = []
for epoch in range(4):
    losses = []
    for x, y in train:
        losses.append(step(x, y))
    with torch.no_grad():
        value = sum(float(((model(x) - y) ** 2).sum()) for x, y in test)
        predictions = torch.cat([model(x) for x, _ in test])
    history.append((max(losses), value, float(predictions.sum()), len(list(test))))
tell(history)
"""

ONE_NAME = """
def main(level):
    history = []
    if level:
        history.append(main(level - 1))
        return history
    for epoch in range(4):
        history.append([])
        for x, y in train:
            history[-1].append(step(x, y))
    return history
def outer():
    def main(): return run(2)
    return main()
run = main
tell(outer())
"""

NUMBERED_PAIRS = """
history = []
for epoch in range(4):
    for i, ((x, y), (u,)) in enumerate(zip(train, other)):
        history.append((i, step(x, y) + float(u.sum())))
tell(history)
"""

ROUND_AND_ROUND = """
def cycle(loader):
    while True:
        for batch in loader:
            yield batch
batches, history, bad = cycle(train), [], 0
for number in range(14):
    x, y = next(batches)
    history.append(step(x, y))
    bad = bad + 1 if number % 7 else 0
tell(history, bad)
"""

NUMBERED_ROUNDS = """
def cycle(loader):
    while True:
        for batch in loader:
            yield batch
history = []
for number, (x, y) in enumerate(cycle(train)):
    if number == 14:
        break
    history.append((number, step(x, y)))
tell(history)
"""

NUMBERED_AT_ONCE = """
history = []
for epoch in range(2):
    for i, (x, y) in enumerate(train):
        history.append((i, step(x, y)))
tell(history)
"""

A_PART_OF_EACH = """
from itertools import islice
history = []
for epoch in range(4):
    for number, (x, y) in enumerate(islice(train, 3)):
        history.append((number, step(x, y)))
tell(history)
"""

# As one learns by doing: what comes next depends on what has been learnt, and no loader gives it.
REPLAY = """
import random
from collections import deque, namedtuple
random.seed(1)
Seen = namedtuple("Seen", ["x", "reward"])
class Memory:
    def __init__(self):
        self.seen = deque(maxlen=16)
memory, x, rewards, bad = Memory(), torch.zeros(4), [], 0
for number in range(24):
    with torch.no_grad():
        x = torch.tanh(x + model(x) + random.random())
    memory.seen.append(Seen(x, float(x.sum())))
    batch = random.choices(memory.seen, k=4)
    rewards.append(step(torch.stack([each.x for each in batch]), torch.tensor([[each.reward] for each in batch])))
    bad = 0 if rewards[-1] == min(rewards) else bad + 1
tell(rewards, bad, [each.reward for each in memory.seen])
"""

CLOSURES = """
optimizer = torch.optim.LBFGS(model.parameters(), 0.5, max_iter=2)
losses = []
for number in range(10):
    def closure():
        optimizer.zero_grad()
        loss = ((model(X) - X.sum(1, keepdim=True)) ** 2).mean()
        loss.backward()
        return loss
    if number == int(os.environ.get("KILL_AT", -1)):
        os.kill(os.getpid(), signal.SIGTERM)
    losses.append(optimizer.step(closure).item())
tell(losses)
"""

COMPILED = """
@torch.compile(backend="aot_eager")
def compiled(x, y):
    loss = ((model(x) - y) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss
losses = []
for epoch in range(3):
    for x, y in train:
        if len(losses) == int(os.environ.get("KILL_AT", -1)):
            os.kill(os.getpid(), signal.SIGTERM)
        losses.append(compiled(x, y).item())
tell(losses)
"""

SCRIPTS = {
    "zip": (SIDE_BY_SIDE, 8),
    "break": (BROKEN_OFF, 8),
    "break at once": (BROKEN_OFF_AT_ONCE, 6),
    "expressions": (EXPRESSIONS, 10),
    "names": (ONE_NAME, 9),
    "numbered pairs": (NUMBERED_PAIRS, 8),
    "round and round": (ROUND_AND_ROUND, 6),
    "numbered rounds": (NUMBERED_ROUNDS, 6),
    "numbered at once": (NUMBERED_AT_ONCE, 3),
    "a part of each": (A_PART_OF_EACH, 8),
    "replay": (REPLAY, 12),
    "closures": (CLOSURES, 5),
    "compiled": (COMPILED, 6),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_loops(tmp_path: Path, name: str) -> None:
    """Stopped in the middle of an epoch, each ends with the numbers of the run that was not stopped."""
    script, kill_at = SCRIPTS[name]
    patched = {"LATTICE_AUTOPATCH": "torch"}
    wanted = [
        Life(store="alone"),
        Life(environ={**patched, "KILL_AT": str(kill_at)}),
        Life(environ=patched),
    ]
    alone, killed, again = lives(tmp_path, START + script, TORCH, wanted)
    assert killed.status == -15, killed.errors
    assert again.result == alone.result
    assert "changed by the program" not in again.errors
    if name == "expressions":
        assert "stands in an expression" in killed.errors


def test_a_step_within_one_graph_is_refused(tmp_path: Path) -> None:
    """Torch says that it cannot be part of one, and what to do, instead of a step that nobody counts."""
    script = COMPILED.replace('"aot_eager"', '"aot_eager", fullgraph=True')
    patched = Life(environ={"LATTICE_AUTOPATCH": "torch"})
    (ended,) = lives(tmp_path, START + script, TORCH, [patched])
    assert ended.status == 1
    assert "LATTICE_AUTOPATCH takes note of each call: compile without fullgraph=True" in ended.errors


def test_side_by_side_again(tmp_path: Path) -> None:
    """Stopped once more in the epoch in which it was started again, no batch of either loader is left out."""
    patched = {"LATTICE_AUTOPATCH": "torch"}
    wanted = [
        Life(store="alone"),
        Life(environ={**patched, "KILL_AT": "5"}),
        Life(environ={**patched, "KILL_AT": "6"}),
        Life(environ=patched),
    ]
    alone, *killed, again = lives(tmp_path, START + SIDE_BY_SIDE, TORCH, wanted)
    assert [each.status for each in killed] == [-15, -15], killed[-1].errors
    assert "within one batch" not in killed[-1].errors
    assert again.result == alone.result


GOES_ANOTHER_WAY = """
for epoch in range(4 - int(os.environ.get("FEWER", 0))):
    for x, y in train:
        step(x, y)
tell()
"""


def test_a_program_that_does_not_come_there(tmp_path: Path) -> None:
    """It fails, and what was saved is taken up when it takes the old way again."""
    patched = {"LATTICE_AUTOPATCH": "torch"}
    wanted = [
        Life(store="alone"),
        Life(environ={**patched, "KILL_AT": "14"}),
        Life(environ={**patched, "FEWER": "2"}),
        Life(environ=patched),
    ]
    alone, killed, short, again = lives(tmp_path, START + GOES_ANOTHER_WAY, TORCH, wanted)
    assert killed.status == -15, killed.errors
    assert short.status == 65, short.errors
    assert "NOT its result" in short.errors
    assert again.result == alone.result


RAISED = """
def epoch_of(history):
    for number, (x, y) in enumerate(train):
        history.append([number, step(x, y)])
history, epochs = [], 0
for epoch in range(4):
    epoch_of(history)
    with torch.inference_mode():
        for x, y in test:
            history.append(float(((model(x) - y) ** 2).mean()))
    epochs += 1
tell(history, epochs)
"""


def test_what_an_error_ended_goes_on_where_it_was_raised(tmp_path: Path) -> None:
    """Not behind the loop, though that is gone when the program is saved: its batch is worked on again."""
    patched = {"LATTICE_AUTOPATCH": "torch"}
    wanted = [
        Life(store="alone"),
        Life(environ={**patched, "RAISE_AT": "6"}),
        Life(environ=patched),
    ]
    alone, raised, again = lives(tmp_path, START + RAISED, TORCH, wanted)
    assert "OSError: no room" in raised.errors
    assert "middle of batch 1" in again.errors
    assert again.result == alone.result
