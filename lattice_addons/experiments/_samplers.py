"""Which setting is run next: the grid's, any at random, or what an optimiser asks for."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from lattice_addons.errors import SettingError

from ._draw import RandomDrawer, drawn

if TYPE_CHECKING:
    from ._experiment import Experiment

__all__ = ["Sampler", "sampler_for"]

_DIRECTIONS = ("minimize", "maximize")
# So many drawn one after the other that are all known: there is nothing else, or next to nothing.
_PATIENCE = 1000
_AIMLESS = "needs an objective: write objective = 'loss' in the class, or use sampler='random'"


class Sampler(ABC):
    """Gives settings, and is told what came of them.

    With an objective it is told what came of each setting, and what an earlier start has found before the first is
    asked for. ``run_all(sampler=...)`` takes one of your own, made anew for each start.
    """

    __module__ = "lattice_addons.experiments"

    @abstractmethod
    def ask(self) -> Experiment | None:
        """Give the next setting; None when there is none left."""

    def tell(self, setting: Experiment, value: float | None, status: str = "done") -> None:  # noqa: B027 - may be ignored
        """Say what came of a setting: its objective, and ``done``, ``failed``, ``killed`` or ``pruned``."""

    def report(self, setting: Experiment, step: float, value: float) -> bool:  # noqa: ARG002 - of an optimiser
        """Take a value of a setting that is running, and say whether to give it up."""
        return False


class _Grid(Sampler):
    """Every setting once, in order."""

    def __init__(self, experiment: Experiment, samples: int | None) -> None:
        self._left = iter(experiment)
        self._samples = samples

    def ask(self) -> Experiment | None:
        """Give the next setting of the grid."""
        if self._samples is not None:
            if self._samples == 0:
                return None
            self._samples -= 1
        return next(self._left, None)


class _Random(Sampler):
    """Settings at random, none twice; the same ones in the same order for the same seed."""

    def __init__(self, experiment: Experiment, samples: int, seed: int) -> None:
        self._experiment, self._samples = experiment, samples
        self._drawer = RandomDrawer(random.Random(seed))  # noqa: S311 - no secret
        self._given: set[str] = set()

    def ask(self) -> Experiment | None:
        """Give one that was not given before."""
        if len(self._given) >= self._samples:
            return None
        for _ in range(_PATIENCE):
            setting = drawn(self._experiment, self._drawer)
            if setting.identity not in self._given:
                self._given.add(setting.identity)
                return setting
        return None


def sampler_for(  # noqa: PLR0913, PLR0917 - each says one thing of it
    name: object,
    experiment: Experiment,
    samples: int | None = None,
    seed: int | None = None,
    direction: str | None = None,
    objective: str | None = None,
) -> Sampler:
    """Make the sampler of that name: ``grid``, ``random``, or one of Optuna's, such as ``tpe``.

    Args:
        name: Of the sampler; or an Optuna sampler itself; or a `Sampler`, which is given back.
        experiment: What is searched.
        samples: How many settings; a grid has its own number.
        seed: The same gives the same settings; 0 when nothing is said, so that a start again draws what was drawn.
        direction: ``minimize`` or ``maximize``; the class's own when nothing is said.
        objective: The result that is looked at; the class's own when nothing is said.

    Raises:
        SettingError: there is no such sampler, or it lacks what it needs.
    """
    if isinstance(name, Sampler):
        return name
    cls = type(experiment)
    if (direction := direction or cls.direction) not in _DIRECTIONS:
        raise _refused(cls, f"direction={direction!r} is neither 'minimize' nor 'maximize'")
    if samples is not None and (type(samples) is not int or samples < 1):
        raise _refused(cls, f"samples={samples!r} is no number of settings: it is 1 or more")
    if name == "grid":
        return _Grid(experiment, samples)
    if samples is None:
        raise _refused(cls, f"sampler {_told(name)} needs to know how many settings to draw: samples=100")
    if name == "random":
        return _Random(experiment, samples, seed or 0)
    from ._optuna import OptunaSampler

    made = OptunaSampler(name, experiment, samples, seed or 0, direction)
    if (objective or cls.objective) is None:  # after all: a mistyped name has no use for what it would need
        raise _refused(cls, f"sampler {_told(name)} {_AIMLESS}")
    return made


def _told(name: object) -> str:
    return repr(name) if isinstance(name, str) else type(name).__name__


def _refused(cls: type, why: str) -> SettingError:
    return SettingError(f"{cls.__qualname__}: {why}", experiment=cls.__qualname__, field="")
