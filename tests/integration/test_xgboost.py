"""XGBoost that was killed has the trees of XGBoost that was left alone."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.killed import ends_alike

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("xgboost", reason="XGBoost is not installed")
pytestmark = pytest.mark.frameworks

SOURCE = """
    import hashlib, json

    import numpy as np
    import xgboost
    from lattice_addons.integrations.xgboost import LatticeCallback

    class Told(xgboost.callback.TrainingCallback):
        def after_iteration(self, model, epoch, evals_log):
            print("round", epoch, flush=True)
            return False

    random = np.random.default_rng(5)
    inputs = random.normal(size=(900, 12))
    targets = (inputs[:, :3] ** 2).sum(axis=1) + inputs[:, 3]
    labels = np.digitize(targets, [2.0, 4.0]) if {classes} else targets
    train = xgboost.DMatrix(inputs[:600], labels[:600])
    held_out = xgboost.DMatrix(inputs[600:], labels[600:])
    found = {{}}
    booster = xgboost.train(
        {{"max_depth": 3, "nthread": 1, "seed": 3}} | {params}, train, {rounds},
        evals=[(held_out, "held_out")], early_stopping_rounds={patience}, evals_result=found, verbose_eval=False,
        callbacks=[LatticeCallback(every={every}), Told(),
                   xgboost.callback.LearningRateScheduler(lambda round: 0.5 * 0.98 ** round)])
    print("best", booster.attr("best_iteration"), hashlib.sha256(json.dumps(found).encode()).hexdigest())
    print("trees", booster.num_boosted_rounds(), hashlib.sha256(booster.save_raw("ubj")).hexdigest())
"""
MODULES = ("numpy", "xgboost")


@pytest.mark.parametrize(
    "params",
    [
        {"objective": "multi:softprob", "num_class": 3, "subsample": 0.5, "colsample_bynode": 0.5},
        {"objective": "reg:squarederror", "booster": "dart", "rate_drop": 0.3},
    ],
    ids=["sampled", "dart"],
)
def test_killed_at_once(tmp_path: Path, params: dict[str, object]) -> None:
    """Each round is saved: a SIGKILL loses the one that is trained, and only that."""
    source = SOURCE.format(params=params, classes="num_class" in params, rounds=14, patience=None, every=1)
    alone, _ = ends_alike(tmp_path, source, MODULES, [("round 4", signal.SIGKILL)], last=2)
    assert alone[-1].startswith("trees 14 ")


def test_asked_to_end(tmp_path: Path) -> None:
    """Nothing is saved but at the signal; early stopping counts on from where it was, with the same evaluations."""
    params = {"objective": "multi:softprob", "num_class": 3}
    source = SOURCE.format(params=params, classes=True, rounds=300, patience=6, every=None)
    alone, after = ends_alike(tmp_path, source, MODULES, [("round 7", signal.SIGTERM)], last=2)
    assert 0 < int(alone[-2].split()[1]) < 290, "it was not stopped early"
    assert "round 0" in after, "the other callbacks see all rounds"
