"""Programs with typed configs, hyper-parameters and experiments, as a type checker sees them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from typing_extensions import assert_type

from lattice_addons.experiments import Experiment, Place, Results, Summary, run_all, search
from lattice_addons.hyperparams import HyperParameters, manager
from lattice_addons.hyperstate import Blob, HyperState, fixed, load_config


@dataclass
class Config:
    """What is set."""

    lr: float = 0.1
    seed: int = fixed(0)


@dataclass
class State:
    """What changes."""

    step: int
    weights: Blob[bytes]


def initial_state(config: Config) -> State:
    """Give what a run begins with."""
    return State(step=config.seed, weights=Blob(b""))


def train() -> None:
    """A run has the config's and the state's own types."""
    run = HyperState.load(Config, State, initial_state, "config.yaml", "checkpoints", "step")
    assert_type(run, HyperState[Config, State])
    assert_type(run.config, Config)
    assert_type(run.state.step, int)
    assert_type(run.state.weights.get(), bytes)
    run.step()
    assert_type(load_config(Config, "config.yaml"), Config)


def parameters() -> None:
    """A hyper-parameter has the type of its default, and any type without one."""
    _ = manager("_")
    assert_type(_, HyperParameters)
    assert_type(_("lr", 0.1), float)
    assert_type(_("name", "adam", choices=("adam", "sgd")), str)
    assert_type(_("either", None, type=int), Any)
    assert_type(_("given"), Any)
    assert_type(_.names(), list[str])


class Grid(Experiment):
    """One class is one experiment."""

    lr: float = search(0.1, 0.01)
    epochs: int = 3

    def run(self) -> dict[str, float]:
        """Give a row of the results."""
        return {"loss": self.lr * self.epochs}


def sweep() -> None:
    """A loop gives the class's own settings, and a runner says what came of them."""
    for setting in Grid(epochs=5):
        assert_type(setting, Grid)
        assert_type(setting.lr, float)
        assert_type(setting.run(), dict[str, float])
    assert_type(run_all(Grid(), 2, limit=3), Summary)
    assert_type(Results(Place(Grid)), Results)
