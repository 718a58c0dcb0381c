"""LightGBM trains on from the round at which its process was stopped, and grows the same trees."""

from __future__ import annotations

import re
from collections import OrderedDict, defaultdict
from functools import partial
from typing import TYPE_CHECKING, Any

import lightgbm
import numpy as np
from lightgbm.callback import CallbackEnv, EarlyStopException, early_stopping

from lattice_addons.errors import UnkeepableError

from ._rounds import Rounds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lattice_addons.state import StateManagerGroup

__all__ = ["train"]

_ROUNDS = (
    *(
        "num_iterations",
        "num_iteration",
        "n_iter",
        "num_tree",
        "num_trees",
        "num_round",
        "num_rounds",
        "nrounds",
    ),
    *("num_boost_round", "n_estimators", "max_iter"),
)
_PATIENCE = ("early_stopping_round", "early_stopping_rounds", "early_stopping", "n_iter_no_change")
# What goes on from more than the trees. LightGBM has no way to ask for it, or to put it back.
_UNKEEPABLE = {
    "boosting": ("dart", "rf", "goss"),
    "data_sample_strategy": ("goss",),
    "linear_tree": ("1",),
    "objective": ("rank_xendcg",),
    "use_quantized_grad": ("1",),
}
# These are paid once for all trees.
_PENALTIES = ("cegb_penalty_feature_coupled", "cegb_penalty_feature_lazy")
_SEEDS = ("feature_fraction_seed", "extra_seed")
_SHARES = ("bagging_fraction", "pos_bagging_fraction", "neg_bagging_fraction")
_STRIDE, _LARGEST = 7919, 2**31 - 1
# Less than the step of LightGBM's random numbers, so that no row is drawn otherwise.
_A_LITTLE = 1e-9


def train(  # noqa: PLR0913 - those of lightgbm.train, and three of ours
    params: dict[str, Any],
    train_set: Any,
    num_boost_round: int = 100,
    *,
    group: StateManagerGroup | None = None,
    key: str = "lightgbm",
    every: int | None = 1,
    callbacks: Sequence[Any] | None = None,
    init_model: Any = None,
    **options: Any,
) -> Any:
    """Train as ``lightgbm.train`` does, and carry on where an earlier process was stopped.

    The slot ``key`` has the trees and what was evaluated, saved after ``every`` so many rounds (None: when the group's
    settings say so). In a restarted program the callbacks first see again what was evaluated in the rounds that were
    done, so that early stopping and what was recorded are where they were. Then it trains on.

    Rows and features are drawn (``bagging_fraction``, ``feature_fraction``, ``extra_trees``) from the seeds and the
    number of the round, for the state of LightGBM's generators cannot be kept. Else the trees are ``lightgbm.train``'s.

    Raises:
        DuplicateSlotError: the key is that of another training of this process.
        UnkeepableError: this kind of boosting (``dart``, ``goss``, ``rf``, quantized gradients, ``rank_xendcg``, linear
            trees, penalties for the use of a feature), or a data set with ``init_score`` or ``position``, cannot be
            carried on exactly.
    """
    for name, kind in (("valid_sets", lightgbm.Dataset), ("valid_names", str)):
        if isinstance(options.get(name), kind):  # one alone
            options[name] = [options[name]]
    for data in (train_set, *(options.get("valid_sets") or ())):
        if isinstance(data, lightgbm.Dataset):  # LightGBM itself says what is wrong with another
            _refuse_data(data)
    params = dict(params)
    number = [*(params.pop(name) for name in _ROUNDS if name in params), num_boost_round][0]
    rounds = Rounds(group, key, every)
    loop = _Loop(rounds, [*(callbacks or ()), *_patience(params)], params)
    return _carried_on(loop, rounds, train_set, number, {"init_model": init_model, **options})


def _carried_on(loop: _Loop, rounds: Rounds, train_set: Any, number: int, options: dict[str, Any]) -> Any:
    """Go through what was done, and train the rounds that are left."""
    given = options["init_model"]
    if rounds.stored is not None:
        booster = lightgbm.Booster(model_str=rounds.stored.trees.decode())
        _name_training_data(booster, train_set, options)
        end = rounds.begun + number
        if loop.go_through(booster, end) or rounds.done >= end:
            return booster
        options["init_model"], number = booster, end - rounds.done
    try:
        return lightgbm.train(
            loop.params, train_set, number, **options, callbacks=[_before(loop.before), _after(loop.after)]
        )
    finally:
        if given is None and options["init_model"] is not None:
            for data in (train_set, *(options.get("valid_sets") or ())):
                _as_given(data)
        rounds.end()


class _Loop:
    """The program's callbacks, which see one training, whatever the number of processes that make it."""

    def __init__(self, rounds: Rounds, callbacks: list[Any], params: dict[str, Any]) -> None:
        ordered = sorted(
            enumerate(callbacks), key=lambda item: getattr(item[1], "order", item[0] - len(callbacks))
        )
        self._rounds = rounds
        self._before = [call for _, call in ordered if getattr(call, "before_iteration", False)]
        self._after = [call for _, call in ordered if not getattr(call, "before_iteration", False)]
        self.params = params
        self._own_objective = False
        for name, value in params.items():
            if callable(value):
                self._own_objective = True
                params[name] = self._objective(value)
        self._config: dict[str, str] = {}
        self._log: list[Any] = rounds.log or []

    def go_through(self, booster: Any, end: int) -> bool:
        """Show the callbacks what was evaluated; say whether one of them had stopped the training."""
        begun, results = self._rounds.begun, []
        for index, stored in enumerate(self._log):
            results = [_result(row) for row in stored]
            try:
                for call in self._after:
                    call(CallbackEnv(booster, self.params, begun + index, begun, end, results))
            except EarlyStopException as stop:
                booster.best_iteration = stop.best_iteration + 1
                _note_best(booster, stop.best_score)
                return True
        _note_best(booster, results)
        booster.best_iteration = 0  # as of one that LightGBM has trained to its end
        return False

    def before(self, env: Any) -> None:
        """Begin a round."""
        if self._rounds.trees_of is None:
            self._config = _configured(env.model)
            if self._rounds.stored is None:
                self._rounds.begun = self._rounds.done = env.begin_iteration
            self._rounds.trees_of = lambda done: env.model.model_to_string(num_iteration=done).encode()
        seen = self._whole(env)
        for call in self._before:
            call(seen)
        # After them: LightGBM draws otherwise when other parameters are set between this and the round. In the first
        # round of a process with an objective of the program's own, it sets one until that is called.
        self._draw = partial(_draw_by_round, env.model, self._config, env.iteration)
        if not self._own_objective:
            self._draw()

    def _objective(self, own: Callable[..., Any]) -> Callable[..., Any]:
        def objective(predictions: Any, data: Any) -> Any:
            found = own(predictions, data)
            self._draw()
            return found

        return objective  # no method: LightGBM copies the parameters, with all that is bound in them

    def after(self, env: Any) -> None:
        """End a round; what it found counts also where it is the last one."""
        found = [
            [data, metric, float(value), bool(maximize)]
            for data, metric, value, maximize in env.evaluation_result_list
        ]
        try:
            for call in self._after:
                call(self._whole(env))
        finally:
            # A new list: what a callback saves has the rounds before this one, and their log.
            self._log = [*self._log, found]
            self._rounds.finished(env.iteration + 1, self._log)

    def _whole(self, env: Any) -> Any:
        begun = self._rounds.begun
        return CallbackEnv(
            env.model, env.params, env.iteration, begun, env.end_iteration, env.evaluation_result_list
        )


def _before(call: Callable[[Any], None]) -> Any:
    def before(env: Any) -> None:
        call(env)

    vars(before).update(before_iteration=True, order=0)
    return before


def _after(call: Callable[[Any], None]) -> Any:
    def after(env: Any) -> None:
        call(env)

    vars(after).update(order=0)
    return after


def _patience(params: dict[str, Any]) -> list[Any]:
    """Make of parameters that ask for early stopping the callback that LightGBM would make of them."""
    rounds = [params.pop(name) for name in _PATIENCE if name in params]
    if not rounds or not rounds[0] or rounds[0] < 0:
        return []
    verbosity = params.get("verbosity", params.get("verbose", 1))
    stopping = early_stopping(
        rounds[0],
        first_metric_only=params.get("first_metric_only", False),
        verbose=verbosity > 0,
        min_delta=params.get("early_stopping_min_delta", 0.0),
    )
    return [stopping]


def _configured(booster: Any) -> dict[str, str]:
    """Read what LightGBM itself makes of the parameters, with their many names; refuse what cannot be carried on."""
    text = booster.model_to_string(num_iteration=1)
    config = dict(re.findall(r"^\[(\w+): (.*)\]$", text, re.MULTILINE))
    for name, values in _UNKEEPABLE.items():
        exact = name == "use_quantized_grad" and config.get("stochastic_rounding") == "0"
        if config.get(name) in values and not exact:
            raise _unkeepable(name, config)
    for name in _PENALTIES:
        if config.get(name):
            raise _unkeepable(name, config)
    return config


def _unkeepable(name: str, config: dict[str, str]) -> UnkeepableError:
    return UnkeepableError(
        f"{name}={config[name]} cannot be carried on exactly: LightGBM goes on from more than its trees, and "
        "does not give it out. Use another, or train with lightgbm.train()"
    )


def _refuse_data(data: Any) -> None:
    """Refuse a data set with what LightGBM forgets of it where it goes on from a model."""
    # One that a model has predicted stands there after a training that went on from it: it is made again.
    scored = getattr(data, "_predictor", None) is None and data.init_score is not None
    what = "an init_score" if scored and np.any(data.init_score) else ""
    what = "a position" if data.position is not None else what
    if what:
        raise UnkeepableError(
            f"a training on a data set with {what} cannot be carried on exactly: LightGBM forgets it where it goes on "
            "from a model. Leave it out, or train with lightgbm.train()"
        )


def _as_given(data: Any) -> None:
    """Let a data set be what it was: LightGBM leaves what the stored trees predict in it, also for the next one."""
    data._predictor = None  # noqa: SLF001 - it would put zeros there, which are not the same
    data.set_init_score(None)
    data.set_field("init_score", None)


def _draw_by_round(booster: Any, config: dict[str, str], iteration: int) -> None:
    def seed(name: str, at: int) -> int:
        return (int(config[name]) + _STRIDE * at) % _LARGEST

    new: dict[str, Any] = {name: seed(name, iteration) for name in _SEEDS}
    period = int(config["bagging_freq"])
    shares = {name: float(config[name]) for name in _SHARES if float(config[name]) < 1}
    if period > 0 and shares:
        # The seed counts only where a share is changed, too.
        booster.reset_parameter({name: share - _A_LITTLE for name, share in shares.items()})
        new |= {"bagging_seed": seed("bagging_seed", iteration - iteration % period), **shares}
    booster.reset_parameter(new)


def _result(row: list[Any]) -> Any:
    kind = getattr(lightgbm.basic, "EvalResult", None)
    return tuple(row) if kind is None else kind(*row)


def _note_best(booster: Any, results: Sequence[Any]) -> None:
    booster.best_score = defaultdict(OrderedDict)
    for data, metric, value, *_ in results:
        booster.best_score[data][metric] = value


def _name_training_data(booster: Any, train_set: Any, options: dict[str, Any]) -> None:
    """Let early stopping know which of the results are those of the training data: they do not count."""
    for given, name in zip(options.get("valid_sets") or (), options.get("valid_names") or (), strict=False):
        if given is train_set:
            booster.set_train_data_name(name)
