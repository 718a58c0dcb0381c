"""Train a small network on handwritten digits; killed at any step, it ends with the same bits.

The config is ``train_hyperstate.yaml`` in the working directory; arguments such as ``optimizer.lr=0.2`` override it.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from lattice_addons.hyperstate import Blob, HyperState, fixed, lazy

Array = np.ndarray[Any, Any]


@dataclass
class Optimizer:
    """How the weights are changed."""

    lr: float = 0.1
    momentum: float = 0.9


@dataclass
class Config:
    """All that is set."""

    optimizer: Optimizer = field(default_factory=Optimizer)
    hidden: int = fixed(32)
    batch: int = 60
    steps: int = 300
    seed: int = fixed(0)


class Network:
    """Two layers; its arrays stay the same objects."""

    def __init__(self, hidden: int, rng: np.random.Generator) -> None:
        self.arrays = {"a": rng.normal(0, 0.1, (64, hidden)), "b": rng.normal(0, 0.1, (hidden, 10))}

    def state_dict(self) -> dict[str, Array]:
        """Give the weights."""
        return self.arrays

    def load_state_dict(self, stored: dict[str, Array]) -> None:
        """Take the weights back."""
        for name, array in self.arrays.items():
            array[:] = stored[name]

    def gradients(self, x: Array, y: Array) -> tuple[float, dict[str, Array]]:
        """Give the loss, and how it changes with each weight."""
        hidden = np.maximum(x @ self.arrays["a"], 0)
        scores = hidden @ self.arrays["b"]
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        p = scores / scores.sum(axis=1, keepdims=True)
        loss = float(-np.log(p[np.arange(len(y)), y]).mean())
        p[np.arange(len(y)), y] -= 1
        back = (p @ self.arrays["b"].T) * (hidden > 0)
        return loss, {"a": x.T @ back / len(y), "b": hidden.T @ p / len(y)}


class Momentum:
    """An optimizer, which needs the network."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.speed = {name: np.zeros_like(array) for name, array in network.arrays.items()}

    def state_dict(self) -> dict[str, Array]:
        """Give the speeds."""
        return self.speed

    def load_state_dict(self, stored: dict[str, Array]) -> None:
        """Take the speeds back."""
        self.speed = {name: array.copy() for name, array in stored.items()}

    def step(self, gradients: dict[str, Array], config: Optimizer) -> None:
        """Change the weights in place."""
        for name, gradient in gradients.items():
            self.speed[name] = config.momentum * self.speed[name] - config.lr * gradient
            self.network.arrays[name] += self.speed[name]


@dataclass
class State:
    """All that changes."""

    step: int
    loss: float
    rng: Blob[np.random.Generator]
    network: Network = lazy(lambda config, state: Network(config.hidden, state.rng.get()))
    optimizer: Momentum = lazy(lambda _, state: Momentum(state.network))


def main() -> None:
    """Train, from where the last process was stopped."""
    run = HyperState.load(
        Config,
        State,
        lambda config: State(0, float("nan"), Blob(np.random.default_rng(config.seed))),
        "train_hyperstate.yaml",
        "checkpoints",
        "step",
        sys.argv[1:],
    )
    config, state = run.config, run.state
    digits = load_digits()
    images, labels = digits.data / 16, digits.target
    network, optimizer = state.network, state.optimizer
    while state.step < config.steps:
        chosen = state.rng.get().integers(0, len(labels), config.batch)
        state.loss, gradients = network.gradients(images[chosen], labels[chosen])
        optimizer.step(gradients, config.optimizer)
        state.step += 1
        run.step()
        print("step", state.step, flush=True)
    bits = b"".join(array.tobytes() for array in network.arrays.values())
    print(f"loss {state.loss:.17g} lr {config.optimizer.lr:.17g}")
    print("weights", hashlib.sha256(bits).hexdigest())


if __name__ == "__main__":
    main()
