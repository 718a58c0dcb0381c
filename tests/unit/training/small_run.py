"""A small training run whose every bit can be compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from lattice_addons.training import State


class Words:
    """A vocabulary of the program's own class, which only pickle can store."""

    def __init__(self, *words: str) -> None:
        self.words = list(words)

    def __eq__(self, other: object) -> bool:
        """Compare the words."""
        return isinstance(other, Words) and self.words == other.words

    __hash__ = None  # type: ignore[assignment]


def parts(seed: int = 0, width: int = 8) -> dict[str, Any]:
    """Make a model with dropout, running averages and a recurrent part, and what trains it."""
    torch.manual_seed(seed)
    model = torch.nn.Sequential(
        torch.nn.Linear(4, width), torch.nn.Dropout(0.2), torch.nn.BatchNorm1d(width), torch.nn.LSTM(width, 3)
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    scheduler = torch.optim.lr_scheduler.SequentialLR(
        optimizer,
        [
            torch.optim.lr_scheduler.LinearLR(optimizer, total_iters=3),
            torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9),
        ],
        milestones=[3],
    )
    criterion = torch.nn.CrossEntropyLoss(weight=torch.rand(3))
    return {"model": model, "criterion": criterion, "optimizer": optimizer, "scheduler": scheduler}


def train(state: State, steps: int) -> State:
    """Take some steps; what they draw depends on the step alone."""
    assert state.model is not None
    assert state.optimizer is not None
    assert state.criterion is not None
    for _ in range(steps):
        torch.manual_seed(1000 + state.step_index)
        output, _ = state.model(torch.randn(5, 4))
        loss = state.criterion(output, torch.randint(3, (5,)))
        loss.backward()
        state.optimizer.step()
        state.optimizer.zero_grad()
        state.scheduler.step()
        state.step_index += 1
        state.history = {"loss": [*state.history.get("loss", []), loss.detach()]}
    return state
