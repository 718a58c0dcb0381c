"""A round that is not finished is not stored, and what could not be carried on exactly is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lattice_addons import Settings, StateManagerGroup
from lattice_addons.errors import DuplicateSlotError, UnkeepableError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.frameworks

RANDOM = np.random.default_rng(5)
INPUTS = RANDOM.normal(size=(120, 4))
TARGETS = (INPUTS**2).sum(axis=1)


class Interrupt(Exception):  # noqa: N818 - as KeyboardInterrupt, which pytest takes for its own
    """What ends a program in the middle of a round."""


def test_xgboost_in_the_middle_of_a_round(tmp_path: Path) -> None:
    """A save after the trees are grown and before the round is over has the rounds before it."""
    xgboost = pytest.importorskip("xgboost", reason="XGBoost is not installed")
    from lattice_addons.integrations.xgboost import LatticeCallback

    data = xgboost.DMatrix(INPUTS, TARGETS)
    params = {"nthread": 1, "seed": 3, "subsample": 0.5, "max_depth": 3}

    def interrupted(predictions: object, _: object) -> tuple[str, float]:
        del predictions
        interrupted.rounds += 1  # type: ignore[attr-defined]
        if interrupted.rounds == 4:  # type: ignore[attr-defined]
            raise Interrupt
        return "none", 0.0

    def trained(name: str, **options: object) -> bytes:
        group = StateManagerGroup(Settings(root=str(tmp_path / name)))
        try:
            callbacks = [LatticeCallback(group, every=None)]
            booster = xgboost.train(
                params, data, 8, evals=[(data, "own")], verbose_eval=False, callbacks=callbacks, **options
            )
            return bytes(booster.save_raw("ubj"))
        finally:
            group.save()
            group.close()

    alone = trained("alone")
    interrupted.rounds = 0  # type: ignore[attr-defined]
    with pytest.raises(Interrupt):
        trained("stopped", custom_metric=interrupted)
    assert trained("stopped") == alone


def test_two_trainings_of_one_key(tmp_path: Path) -> None:
    """They are told apart by their keys, and a key that is used twice is an error."""
    lightgbm = pytest.importorskip("lightgbm", reason="LightGBM is not installed")
    from lattice_addons.integrations.lightgbm import train

    group = StateManagerGroup(Settings(root=str(tmp_path)))
    params = {"num_leaves": 4, "verbosity": -1, "num_threads": 1}
    data = lightgbm.Dataset(INPUTS, TARGETS, free_raw_data=False)
    first = train(params, data, 3, group=group, every=None)
    second = train(params, data, 2, group=group, every=None, key="second")
    assert (first.current_iteration(), second.current_iteration()) == (3, 2)
    with pytest.raises(DuplicateSlotError, match="lightgbm"):
        train(params, data, 3, group=group)
    group.close()


def test_a_callback_that_saves(tmp_path: Path) -> None:
    """In the middle of a round: what is stored has the rounds before it, each evaluated once."""
    lightgbm = pytest.importorskip("lightgbm", reason="LightGBM is not installed")
    from lattice_addons.integrations.lightgbm import train

    seen: list[int] = []
    params = {"num_leaves": 4, "verbosity": -1, "num_threads": 1}

    def trained(act: Callable[[StateManagerGroup], None]) -> None:
        group = StateManagerGroup(Settings(root=str(tmp_path), signals=(), atexit_saving=False))

        def told(env: Any) -> None:
            seen.append(env.iteration)
            if env.iteration == 2:
                act(group)

        data = lightgbm.Dataset(INPUTS, TARGETS, free_raw_data=False)
        try:
            train(params, data, 4, group=group, every=None, callbacks=[told], valid_sets=[data])
        finally:
            group.close()

    def save_and_die(group: StateManagerGroup) -> None:
        group.save()
        raise Interrupt

    with pytest.raises(Interrupt):
        trained(save_and_die)
    seen.clear()
    trained(lambda _: None)
    assert seen == [0, 1, 2, 3]


@pytest.mark.parametrize("params", [{"boosting": "dart"}, {"data_sample_strategy": "goss"}], ids=str)
def test_lightgbm_refuses(tmp_path: Path, params: dict[str, str]) -> None:
    """What goes on from more than the trees is refused before the first round."""
    lightgbm = pytest.importorskip("lightgbm", reason="LightGBM is not installed")
    from lattice_addons.integrations.lightgbm import train

    group = StateManagerGroup(Settings(root=str(tmp_path)))
    data = lightgbm.Dataset(INPUTS, TARGETS)
    with pytest.raises(UnkeepableError, match="cannot be carried on exactly"):
        train({"verbosity": -1, "num_threads": 1, **params}, data, 3, group=group)
    group.close()


def test_xgboost_refuses_cv(tmp_path: Path) -> None:
    """Its folds are no booster; the error says what to do instead."""
    xgboost = pytest.importorskip("xgboost", reason="XGBoost is not installed")
    from lattice_addons.integrations.xgboost import LatticeCallback

    group = StateManagerGroup(Settings(root=str(tmp_path)))
    data = xgboost.DMatrix(INPUTS, TARGETS)
    with pytest.raises(UnkeepableError, match="each fold"):
        xgboost.cv({"nthread": 1}, data, 2, callbacks=[LatticeCallback(group)])
    group.close()
