"""An optimiser of Optuna's is asked for settings, and told what came of them."""

from __future__ import annotations

import difflib
import inspect
import math
import warnings
from typing import TYPE_CHECKING, Any

from lattice_addons.errors import SettingError

from ._draw import drawn, found_in
from ._needs import needed
from ._samplers import Sampler

if TYPE_CHECKING:
    from ._experiment import Experiment
    from ._search import Search

__all__ = ["OptunaSampler"]

# So many times it may ask for what it knows before it is taken to have nothing new.
_PATIENCE = 100
# Those need more than a name.
_NOT_BY_NAME = ("Base", "BaseGA", "Grid", "PartialFixed", "Random")
# What these need beside Optuna they would import when they are first asked, in the middle of the runs.
_ALSO_NEEDED = {"cmaes": ("cmaes",), "gp": ("scipy", "torch"), "qmc": ("scipy",)}


class OptunaSampler(Sampler):
    """A study of Optuna's in memory; the journal of the experiment is what lasts."""

    def __init__(self, name: object, experiment: Experiment, samples: int, seed: int, direction: str) -> None:
        self._optuna = needed("optuna")
        self._experiment, self._samples = experiment, samples
        sampler = _sampler(self._optuna, name, type(experiment), seed)
        self._study = _quiet_study(self._optuna, sampler, direction)
        self._trials: dict[str, Any] = {}
        self._known: dict[str, float | None] = {}

    def ask(self) -> Experiment | None:
        """Give the setting that the optimiser asks for next, if it is a new one."""
        if len(self._known) >= self._samples:
            return None
        for _ in range(_PATIENCE):
            trial = self._study.ask()
            setting = drawn(self._experiment, _Suggesting(trial))
            identity = setting.identity
            if identity not in self._known:
                self._known[identity] = None
                self._trials[identity] = trial
                return setting
            value = self._known[identity]
            self._end(trial, value, "done" if value is not None else "failed")
        return None

    def tell(self, setting: Experiment, value: float | None, status: str = "done") -> None:
        """Say what came of a setting, of this start or an earlier one."""
        identity = setting.identity
        trial = self._trials.pop(identity, None)
        if trial is None and identity in self._known:
            return
        good = status == "done" and value is not None and math.isfinite(value)
        self._known[identity] = value if good else None
        if trial is not None:
            self._end(trial, value if good else None, status if good or status != "done" else "failed")
            return
        choices = found_in(self._experiment, setting)
        if choices is not None and good:
            self._add(choices, value)

    def report(self, setting: Experiment, step: float, value: float) -> bool:
        """Take a value of a setting that is running, and say whether it should be pruned."""
        trial = self._trials.get(setting.identity)
        if trial is None or not math.isfinite(value):
            return False
        trial.report(value, int(step))
        return bool(trial.should_prune())

    def _end(self, trial: Any, value: float | None, status: str) -> None:
        states = self._optuna.trial.TrialState
        if status == "pruned":
            self._study.tell(trial, state=states.PRUNED)
        elif value is None:
            self._study.tell(trial, state=states.FAIL)
        else:
            self._study.tell(trial, value)

    def _add(self, choices: dict[str, tuple[Search, Any]], value: float | None) -> None:
        distributions = {key: _distribution(self._optuna, search) for key, (search, _) in choices.items()}
        params = {key: _param(search, choice) for key, (search, choice) in choices.items()}
        trial = self._optuna.trial.create_trial(params=params, distributions=distributions, value=value)
        self._study.add_trial(trial)


class _Suggesting:
    """Draws what a trial suggests."""

    def __init__(self, trial: Any) -> None:
        self._trial = trial

    def point(self, key: str, place: tuple[str, ...], search: Search) -> int:  # noqa: ARG002 - a drawer's
        """Give the number of a point."""
        if search.kind == "integers":
            number = self._trial.suggest_int(key, int(search.low), int(search.high), step=search.step)
            return int((number - search.low) // search.step)
        return int(self._trial.suggest_categorical(key, list(range(len(search.points or ())))))

    def number(self, key: str, place: tuple[str, ...], search: Search) -> float:  # noqa: ARG002 - a drawer's
        """Give a number from a range."""
        return float(
            self._trial.suggest_float(key, search.low, search.high, log=search.kind == "log_uniform")
        )


def _distribution(optuna: Any, search: Search) -> Any:
    of = optuna.distributions
    if search.kind == "integers":
        return of.IntDistribution(int(search.low), int(search.high), step=search.step)
    if search.points is not None:
        return of.CategoricalDistribution(list(range(len(search.points))))
    return of.FloatDistribution(search.low, search.high, log=search.kind == "log_uniform")


def _param(search: Search, choice: Any) -> Any:
    return search.points[choice] if search.kind == "integers" and search.points is not None else choice


def _quiet_study(optuna: Any, sampler: Any, direction: str) -> Any:
    """Make a study without the line that Optuna logs of it."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(max(before, optuna.logging.WARNING))
    try:
        return optuna.create_study(sampler=sampler, direction=direction)
    finally:
        optuna.logging.set_verbosity(before)


def _sampler(optuna: Any, name: object, cls: type, seed: int) -> Any:
    """Give one of Optuna's samplers by its name in small letters; or as it is."""
    samplers = optuna.samplers
    if isinstance(name, samplers.BaseSampler):
        return name
    names = [each.removesuffix("Sampler") for each in samplers.__all__ if each.endswith("Sampler")]
    known = {each.lower(): f"{each}Sampler" for each in names if each not in _NOT_BY_NAME}
    if not isinstance(name, str) or name.lower() not in known:
        near = difflib.get_close_matches(str(name).lower(), ["grid", "random", *known], n=1)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        said = f"{cls.__qualname__}: no sampler {name!r}{hint} There are: grid, random, {', '.join(sorted(known))}"
        raise SettingError(said, experiment=cls.__qualname__, field="")
    for package in _ALSO_NEEDED.get(name.lower(), ()):
        needed(package)
    make = getattr(samplers, known[name.lower()])
    takes = inspect.signature(make).parameters
    # Settings that run at the same time should not be all alike.
    options = {"seed": seed, "constant_liar": True}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return make(**{key: each for key, each in options.items() if key in takes})
