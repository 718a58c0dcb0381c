"""LightGBM that was killed has the trees of LightGBM that was left alone."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.killed import ends_alike

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("lightgbm", reason="LightGBM is not installed")
pytestmark = pytest.mark.frameworks

SOURCE = """
    import hashlib, json

    import lightgbm
    import numpy as np
    from lattice_addons.integrations.lightgbm import train

    def told(env):
        print("round", env.iteration, flush=True)

    random = np.random.default_rng(5)
    inputs = random.normal(size=(900, 12))
    targets = (inputs[:, :3] ** 2).sum(axis=1) + inputs[:, 3]
    labels = np.digitize(targets, [2.0, 4.0]) if {classes} else targets
    data = lightgbm.Dataset(inputs[:600], labels[:600])
    held_out = lightgbm.Dataset(inputs[600:], labels[600:], reference=data)
    found = {{}}
    booster = train(
        {{"num_leaves": 7, "num_threads": 1, "deterministic": True, "force_row_wise": True, "seed": 3, "verbosity": -1}}
        | {params}, data, {rounds}, every={every}, valid_sets=[data, held_out], valid_names=["own", "held_out"],
        callbacks=[told, lightgbm.record_evaluation(found),
                   lightgbm.reset_parameter(learning_rate=lambda round: 0.2 * 0.98 ** round)])
    trees = booster.model_to_string(num_iteration=-1).split("parameters:")[0]
    evaluated = hashlib.sha256(json.dumps(found).encode()).hexdigest()
    print("best", booster.best_iteration, dict(booster.best_score), evaluated)
    print("trees", booster.current_iteration(), hashlib.sha256(trees.encode()).hexdigest())
"""
MODULES = ("numpy", "lightgbm")


@pytest.mark.parametrize(
    "params",
    [
        {"objective": "multiclass", "num_class": 3, "subsample": 0.5, "bagging_freq": 3},
        {
            "objective": "regression",
            "feature_fraction": 0.5,
            "extra_trees": True,
            "bagging_fraction": 0.7,
            "subsample_freq": 1,
        },
    ],
    ids=["bagging", "features"],
)
def test_killed_at_once(tmp_path: Path, params: dict[str, object]) -> None:
    """Each round is saved: a SIGKILL loses the one that is trained, and only that."""
    source = SOURCE.format(params=params, classes="num_class" in params, rounds=14, every=1)
    alone, _ = ends_alike(tmp_path, source, MODULES, [("round 4", signal.SIGKILL)], last=2)
    assert alone[-1].startswith("trees 14")


def test_asked_to_end(tmp_path: Path) -> None:
    """Nothing is saved but at the signal; early stopping counts on from where it was, with the same evaluations."""
    params = {"objective": "regression", "early_stopping_round": 4, "learning_rate": 0.9}
    source = SOURCE.format(params=params, classes=False, rounds=400, every=None)
    alone, after = ends_alike(tmp_path, source, MODULES, [("round 7", signal.SIGTERM)], last=2)
    assert 0 < int(alone[-2].split()[1]) < 390, "it was not stopped early"
    assert "round 0" in after, "the callbacks see all rounds"
