"""A plain torch training script, resumable by the lines that name the group; stopped at any step, it carries on there.

Run it, kill it, run it again: the weights end up the same to the last bit as those of a run that was left alone.
"""

from __future__ import annotations

import hashlib

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lattice_addons import StateManagerGroup
from lattice_addons.training import loader_position

EPOCHS = 5
SEED = 7


def spirals(points: int) -> TensorDataset:
    """Make two spirals, one wound into the other."""
    kind = torch.arange(points) % 2
    angle = torch.linspace(0.5, 9.0, points)
    where = torch.stack((angle.cos(), angle.sin()), dim=1) * (angle * (1 - 2 * kind)).unsqueeze(1)
    return TensorDataset(where / 9 + torch.randn(points, 2) * 0.01, kind)


def main() -> None:
    """Train, and print the loss and a digest of the weights."""
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    data = spirals(600)
    model = nn.Sequential(
        nn.Linear(2, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2)
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
    loader = DataLoader(data, batch_size=20, shuffle=True)

    group = StateManagerGroup()
    group.track(model=model, optimizer=optimizer, scheduler=scheduler, loader=loader)
    group.track_randomness()

    for epoch in group.resume(range(EPOCHS), "epochs"):
        for where, kind in loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(where), kind).backward()
            optimizer.step()
            print("batch", epoch, loader_position(loader).batch, flush=True)
        scheduler.step()

    weights = hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in model.parameters())).hexdigest()
    where, kind = data.tensors
    loss = nn.functional.cross_entropy(model.eval()(where), kind).item()
    print("loss", round(loss, 4))
    print("weights", weights)
    group.complete()


if __name__ == "__main__":
    main()
