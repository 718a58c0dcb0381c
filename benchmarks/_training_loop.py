"""What a checkpoint each minute takes from a training loop: minutes with one and minutes without, in turn."""

from __future__ import annotations

import os
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
MINUTE = float(os.environ.get("BENCHMARK_MINUTE", "60"))
WIDTH, LAYERS, BATCH, LENGTH = 512, 6, 4, 64


def loop(setup: Setup) -> Iterator[Row]:
    """Compare the steps of a training loop in minutes with a checkpoint with those in minutes without."""
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
        minutes: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(setup.few):
            names = [*ways][number % len(ways) :] + [*ways][: number % len(ways)]
            for name in names:
                minutes[name].append(_minute(step, ways[name]))
        group.close()
        taken = sum(each.nbytes for each in model.parameters()) * 3 / 2**20
    base = median(minutes["none"])
    for name in ("Lattice async_save", "Lattice save", "torch.save + fsync"):
        lost = 100 * (1 - median(minutes[name]) / base)
        details = f"{median(minutes[name]):.1f} / {base:.1f} steps a minute, {taken:.0f} MiB of state"
        target = MOST if name == "Lattice async_save" else None
        yield Row(f"training loop, a checkpoint a minute by {name}: time lost", lost, target, "%", details)


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


def _minute(step: Callable[[], None], save: Callable[[], object]) -> float:
    """Give how many steps fit into a minute at whose beginning there is a checkpoint; the last one in part."""
    begun = time.perf_counter()
    pending: Any = save()
    steps, before, now = 0, begun, begun
    while now - begun < MINUTE:
        before = now
        step()
        steps, now = steps + 1, time.perf_counter()
    if hasattr(pending, "result"):
        pending.result()  # long done, or an error to be told
    return steps - (now - begun - MINUTE) / (now - before)


def _save(torch: Any, model: Any, optimizer: Any, folder: Path) -> None:  # noqa: ANN401 - as above
    path = folder / "torch"
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, path)
    durable(path)
