"""From a sweep to a trained network and a report, on scikit-learn's digits; killed at any instant, it carries on.

A sweep finds the network that learns best, a run with a typed config trains it, and a report says how sure its
accuracy is. ``kill_it.py`` kills it at random times, and shows that it ends as if it had been left alone.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lattice_addons import Settings, StateManagerGroup
from lattice_addons.experiments import Experiment, search
from lattice_addons.hyperparams import bind
from lattice_addons.hyperparams.m import _
from lattice_addons.hyperstate import Blob, HyperState, fixed, lazy

Array = np.ndarray[Any, Any]

CONFIG = Path(__file__).with_name("config.yaml")
LEARN, CHOOSE, TEST = slice(1000), slice(1000, 1437), slice(1437, None)  # of the 1,797 digits


# -- the data and the network


def digits() -> tuple[Array, Array]:
    """Load the images and what they show."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    return (images / 16).astype("float32"), labels


def part(data: tuple[Array, Array], which: slice) -> tuple[torch.Tensor, torch.Tensor]:
    """Give a part of the data as tensors."""
    return torch.tensor(data[0][which]), torch.tensor(data[1][which])


def make_network(width: int, dropout: float) -> nn.Module:
    """Make a network of two layers."""
    return nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, 10))


def learn(
    network: nn.Module, optimizer: torch.optim.Optimizer, images: torch.Tensor, labels: torch.Tensor
) -> None:
    """Make one step."""
    optimizer.zero_grad()
    nn.functional.cross_entropy(network(images), labels).backward()
    optimizer.step()


def is_right(network: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> Array:
    """Say of each image whether the network knows what it shows."""
    network.eval()
    with torch.no_grad():
        right: Array = (network(images).argmax(dim=1) == labels).numpy()
    network.train()
    return right


def digest(*parts: bytes) -> str:
    """Give a short text that is another for any other bits."""
    return hashlib.sha256(b"".join(parts)).hexdigest()[:16]


def bits_of(network: nn.Module) -> str:
    """Give the digest of all weights."""
    return digest(*(value.numpy().tobytes() for value in network.state_dict().values()))


# -- which network: an experiment, each of whose settings is a training run that can be interrupted


class Sweep(Experiment):
    """Which width and which rate learn best in a few epochs."""

    objective = "accuracy"
    direction = "maximize"

    width: int = search(16, 32, 64)
    lr: float = search(0.003, 0.01)
    dropout: float = 0.1
    epochs: int = 3

    def run(self) -> dict[str, Any]:
        """Train one network, and say how good it is."""
        torch.set_num_threads(1)
        torch.manual_seed(0)
        data = self.shared(digits)  # loaded once, however many workers there are
        network = make_network(self.width, self.dropout)
        optimizer = torch.optim.AdamW(network.parameters(), lr=self.lr)
        loader = DataLoader(TensorDataset(*part(data, LEARN)), batch_size=32, shuffle=True)
        self.state.track(network=network, optimizer=optimizer, loader=loader)
        self.state.track_randomness()
        for _epoch in self.state.resume(range(self.epochs), "epochs"):
            for images, labels in loader:
                learn(network, optimizer, images, labels)
        return {"accuracy": is_right(network, *part(data, CHOOSE)).mean(), "bits": bits_of(network)}


def find() -> dict[str, Any]:
    """Run what is not done yet of the sweep; give the best of its results."""
    root = _("sweep.root", "experiments", help="the folder or URL of its results")
    sweep = Sweep(
        epochs=_("sweep.epochs", 3, min=1, help="how long each setting learns"),
        dropout=_("net.dropout", 0.1, min=0, max=0.9, help="the share of units that are left out"),
    )
    sweep.run_all(num_proc=_("sweep.workers", 2, min=0, help="its processes"), root=root)
    asked = {setting.identity for setting in sweep}  # others were run with other numbers
    rows = [row for row in Sweep.results("arrow", root).to_pylist() if row["identity"] in asked]
    rows.sort(key=lambda row: row["name"])
    best: dict[str, Any] = max(rows, key=lambda row: row["accuracy"])
    print("sweep", digest(*(row["bits"].encode() for row in rows)))
    print(f"best of {len(rows)}: width {best['width']}, lr {best['lr']}")
    return best


# -- the training: a HyperState, whose config is config.yaml and can be changed while it runs


@dataclass
class Config:
    """What a person sets."""

    pace: float = 1.0  # the rate of learning is so many times the sweep's
    batch: int = 64
    steps: int = 200
    seed: int = fixed(0)


@dataclass
class State:
    """What changes with every step."""

    step: int
    width: int
    lr: float
    dropout: float
    random: Blob[torch.Tensor]
    network: nn.Module = lazy(lambda _config, state: make_network(state.width, state.dropout))
    optimizer: torch.optim.Optimizer = lazy(
        lambda _config, state: torch.optim.AdamW(state.network.parameters(), lr=state.lr)
    )


def train(best: dict[str, Any], overrides: list[str]) -> nn.Module:
    """Train the best network from where the last process was stopped; give it."""

    def begin(config: Config) -> State:
        torch.manual_seed(config.seed)
        return State(0, best["width"], best["lr"], best["dropout"], Blob(torch.get_rng_state()))

    run = HyperState.load(Config, State, begin, CONFIG, None, "step", overrides)
    config, state = run.config, run.state
    network, optimizer = state.network, state.optimizer
    images, labels = part(digits(), slice(TEST.start))
    torch.set_rng_state(state.random.get())
    print("training from step", state.step, flush=True)
    while state.step < config.steps:
        for group in optimizer.param_groups:
            group["lr"] = state.lr * config.pace
        chosen = torch.randint(len(labels), (config.batch,))
        learn(network, optimizer, images[chosen], labels[chosen])
        state.step += 1
        state.random.set(torch.get_rng_state())
        run.step()
    run.close()
    print("network", bits_of(network))
    return network


# -- the report: slots


def report(network: nn.Module) -> None:
    """Say how good the network is, and how sure that is: by accuracies of samples that are drawn again and again."""
    right = is_right(network, *part(digits(), TEST))
    # In the store of the training, which is a job of its own.
    group = StateManagerGroup(dataclasses.replace(Settings.from_environ(), job_id="digits-report"))
    group.register("accuracies")
    group.register("random")
    if group.get("random") is None:
        group.update("random", np.random.default_rng(0))
        group.update("accuracies", [])
    random, accuracies = group.get("random"), group.get("accuracies")
    print("report from sample", len(accuracies), flush=True)
    for _sample in group.resume(range(_("report.samples", 5000, min=100)), "samples"):
        accuracies.append(float(random.choice(right, len(right)).mean()))
    group.save()
    group.close()
    low, high = np.percentile(accuracies, (2.5, 97.5))
    print("report", digest(np.array(accuracies).tobytes()))
    print(f"accuracy {right.mean():.4f} ({low:.4f} to {high:.4f})")


def main() -> None:
    """Do all of it, but for what was done before."""
    torch.set_num_threads(1)
    _.parse_file(__file__)
    parser = argparse.ArgumentParser(description=__doc__)
    bind(parser, _)
    parser.add_argument("overrides", nargs="*", metavar="FIELD=VALUE", help="what to change in config.yaml")
    options = parser.parse_args()

    best = find()
    network = train(best, options.overrides)
    report(network)


if __name__ == "__main__":
    main()
