"""What a checkpoint each minute takes from a training loop: stretches with one and stretches without, in turn.

A stretch is shorter than a minute, for all that a checkpoint takes is taken soon after it, and a machine that others
share changes its pace within minutes. What a stretch has lost is its length less that of as many of its own median
steps; it is set against a minute.
"""

from __future__ import annotations

import time
from importlib import import_module
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks import _state
from benchmarks._peers import durable
from benchmarks._row import Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from benchmarks._setup import Setup

__all__ = ["loop"]

#: What CheckFreq (FAST 2021) holds itself to, in per cent.
MOST = 3.5
#: In seconds.
MINUTE, STRETCH = 60, 20
WIDTH, LAYERS, BATCH, LENGTH = 512, 6, 4, 64


def loop(setup: Setup) -> Iterator[Row]:
    """Compare the steps of a training loop after a checkpoint with those in as long a time without one."""
    torch: Any = import_module("torch")
    with setup.room() as folder:
        model, optimizer, step = _run(torch)
        for _ in range(5):
            step()
        group = _state.opened(folder / "store", keep=3)
        group.track(model=model, optimizer=optimizer)
        group.track_randomness()
        ways: dict[str, Callable[[], object]] = {
            "none": lambda: None,
            "Lattice async_save": group.async_save,
            "Lattice save": group.save,
            "torch.save + fsync": lambda: _save(torch, model, optimizer, folder),
        }
        group.save()
        stretches: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(setup.rounds):
            names = [*ways][number % len(ways) :] + [*ways][: number % len(ways)]
            for name in names:
                stretches[name].append(_stretch(step, ways[name]))
        group.close()
        taken = sum(each.nbytes for each in model.parameters()) * 3 / 2**20
    plain = median(stretches.pop("none"))
    for name, losses in stretches.items():
        details = f"{median(losses) * 1000:.0f} ms after one, {plain * 1000:.0f} ms without, {taken:.0f} MiB of state"
        target = MOST if name == "Lattice async_save" else None
        share = 100 * (median(losses) - plain) / MINUTE
        yield Row(f"training loop, a checkpoint a minute by {name}: time lost", share, target, "%", details)


def _run(torch: Any) -> tuple[Any, Any, Callable[[], None]]:  # noqa: ANN401 - torch has no types where it is not installed
    torch.manual_seed(0)
    layer = torch.nn.TransformerEncoderLayer(WIDTH, 8, 4 * WIDTH, batch_first=True)
    model = torch.nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)

    def step() -> None:
        batch = torch.randn(BATCH, LENGTH, WIDTH)
        loss = (model(batch) - batch.roll(1, 1)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return model, optimizer, step


def _stretch(step: Callable[[], None], save: Callable[[], object]) -> float:
    """Give how many seconds a stretch at whose beginning there is a checkpoint has lost."""
    begun = time.perf_counter()
    pending: Any = save()
    steps = []
    now = time.perf_counter()
    saved = now - begun
    while now - begun < STRETCH:
        before = now
        step()
        now = time.perf_counter()
        steps.append(now - before)
    if hasattr(pending, "result"):
        pending.result()  # long done, or an error to be told
    return saved + sum(steps) - len(steps) * median(steps)


def _save(torch: Any, model: Any, optimizer: Any, folder: Path) -> None:  # noqa: ANN401 - as above
    path = folder / "torch"
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, path)
    durable(path)
