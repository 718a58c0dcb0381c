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

SCRIPTS = {
    "zip": (SIDE_BY_SIDE, 8),
    "break": (BROKEN_OFF, 8),
    "expressions": (EXPRESSIONS, 10),
    "names": (ONE_NAME, 9),
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
    if name == "expressions":
        assert "stands in an expression" in killed.errors


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
