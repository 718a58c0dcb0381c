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


@pytest.mark.parametrize("dropout", [0.0, 0.5], ids=["growing", "dropping"])
def test_xgboost_in_the_middle_of_a_round(tmp_path: Path, dropout: float) -> None:
    """A save after the trees are grown and before the round is over has the rounds before it, or nothing of them."""
    xgboost = pytest.importorskip("xgboost", reason="XGBoost is not installed")
    from lattice_addons.integrations.xgboost import LatticeCallback

    data = xgboost.DMatrix(INPUTS, TARGETS)
    params: dict[str, Any] = {"nthread": 1, "seed": 3, "subsample": 0.5, "max_depth": 3}
    if dropout:
        params |= {"booster": "dart", "rate_drop": dropout, "verbosity": 0}

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


def test_lightgbm_with_an_objective_of_its_own(tmp_path: Path) -> None:
    """In its first round of a process LightGBM sets one more parameter: features are drawn as in all other rounds."""
    lightgbm = pytest.importorskip("lightgbm", reason="LightGBM is not installed")
    from lattice_addons.integrations.lightgbm import train

    params = {"num_leaves": 4, "verbosity": -1, "num_threads": 1, "feature_fraction": 0.5, "seed": 3}

    def objective(predictions: Any, data: Any) -> tuple[Any, Any]:
        return predictions - data.get_label(), np.ones(len(predictions))

    def trained(root: str, rounds: int) -> Any:
        group = StateManagerGroup(Settings(root=str(tmp_path / root), signals=(), atexit_saving=False))
        try:
            data = lightgbm.Dataset(INPUTS, TARGETS)
            return train({**params, "objective": objective}, data, rounds, group=group).predict(INPUTS)
        finally:
            group.close()

    trained("stopped", 3)
    assert np.array_equal(trained("stopped", 8), trained("alone", 8))


def test_lightgbm_leaves_a_data_set_as_it_was_given(tmp_path: Path) -> None:
    """What a carried on training needs in it is not there any more for the next one, which begins anew."""
    lightgbm = pytest.importorskip("lightgbm", reason="LightGBM is not installed")
    from lattice_addons.integrations.lightgbm import train

    params = {"num_leaves": 4, "verbosity": -1, "num_threads": 1}

    def trained(root: str, rounds: int) -> Any:
        group = StateManagerGroup(Settings(root=str(tmp_path / root), signals=(), atexit_saving=False))
        data = lightgbm.Dataset(INPUTS, TARGETS, free_raw_data=False)
        held_out = lightgbm.Dataset(INPUTS[:40], TARGETS[:40], reference=data, free_raw_data=False)
        try:
            train(params, data, rounds, group=group, valid_sets=held_out, valid_names="held_out")
            return lightgbm.train(params, data, 4, valid_sets=[held_out]).predict(INPUTS)
        finally:
            group.close()

    trained("stopped", 3)
    assert np.array_equal(trained("stopped", 6), trained("alone", 6))


@pytest.mark.parametrize(
    "told", [{"init_score": TARGETS}, {"position": np.arange(120) % 6}], ids=lambda told: next(iter(told))
)
def test_lightgbm_refuses_data(tmp_path: Path, told: dict[str, Any]) -> None:
    """A data set with something that LightGBM forgets where it goes on from a model."""
    lightgbm = pytest.importorskip("lightgbm", reason="LightGBM is not installed")
    from lattice_addons.integrations.lightgbm import train

    group = StateManagerGroup(Settings(root=str(tmp_path)))
    data = lightgbm.Dataset(INPUTS, TARGETS, **told)
    with pytest.raises(UnkeepableError, match=next(iter(told))):
        train({"verbosity": -1}, data, 3, group=group)
    group.close()


@pytest.mark.parametrize(
    "params",
    [
        {"boosting": "dart"},
        {"data_sample_strategy": "goss"},
        {"linear_tree": True},
        {"cegb_penalty_feature_coupled": [1, 2, 1, 1]},
    ],
    ids=str,
)
def test_lightgbm_refuses(tmp_path: Path, params: dict[str, Any]) -> None:
    """What goes on from more than the trees is refused before the first round."""
    lightgbm = pytest.importorskip("lightgbm", reason="LightGBM is not installed")
    from lattice_addons.integrations.lightgbm import train

    group = StateManagerGroup(Settings(root=str(tmp_path)))
    data = lightgbm.Dataset(INPUTS, TARGETS)
    with pytest.raises(UnkeepableError, match="cannot be carried on exactly"):
        train({"verbosity": -1, "num_threads": 1, **params}, data, 3, group=group)
    group.close()


def test_lightgbm_itself_refuses_what_is_no_data_set(tmp_path: Path) -> None:
    """Its own error tells what to give."""
    lightgbm = pytest.importorskip("lightgbm", reason="LightGBM is not installed")
    from lattice_addons.integrations.lightgbm import train

    group = StateManagerGroup(Settings(root=str(tmp_path)))
    with pytest.raises(TypeError, match="Dataset"):
        train({"verbosity": -1}, lightgbm.Dataset(INPUTS, TARGETS), 3, group=group, valid_sets=[INPUTS])
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


def test_xgboost_refuses_an_order_of_features(tmp_path: Path) -> None:
    """A linear booster is carried on where it takes its features in turn, and else refused before the first round."""
    xgboost = pytest.importorskip("xgboost", reason="XGBoost is not installed")
    from lattice_addons.integrations.xgboost import LatticeCallback

    data = xgboost.DMatrix(INPUTS, TARGETS)
    group = StateManagerGroup(Settings(root=str(tmp_path)))
    params = {"booster": "gblinear", "updater": "coord_descent", "nthread": 1, "verbosity": 0}
    xgboost.train(params, data, 2, callbacks=[LatticeCallback(group)])
    with pytest.raises(UnkeepableError, match="feature_selector=shuffle"):
        xgboost.train(
            {**params, "feature_selector": "shuffle"},
            data,
            2,
            callbacks=[LatticeCallback(group, key="shuffled")],
        )
    group.close()
