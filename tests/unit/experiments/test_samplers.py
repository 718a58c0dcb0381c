"""Samplers draw settings: the same for the same seed, none twice, better ones where there is an objective."""

from __future__ import annotations

import math
import sys
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from lattice_addons.errors import MissingExtraError, SettingError
from lattice_addons.experiments import Experiment, Sampler, sampler_for, search
from lattice_addons.experiments._display import Nothing

if TYPE_CHECKING:
    from pathlib import Path


class Inner(Experiment):
    """A part with a range."""

    momentum: float = search.uniform(0.5, 1)


class Wide(Experiment):
    """Every kind of search."""

    objective = "loss"

    lr: float = search.log_uniform(1e-4, 1)
    layers: int = search.integers(2, 8, step=2)
    opt: str = search.choice("adam", "sgd")
    drop: float = search.uniform(0, 0.5, when=lambda h: h.opt == "sgd", otherwise=0.0)
    size: int = search(16, 32, zipped="size")
    width: int = search(1, 2, zipped="size")
    inner: Any = search(Inner(), None)
    tag: str = "{opt}-{layers}"


def all_of(sampler: Sampler) -> list[Any]:
    """Ask until there is nothing left."""
    return list(iter(sampler.ask, None))


@pytest.mark.parametrize("name", ["random", "tpe"])
def test_what_is_drawn_is_within_its_bounds(name: str) -> None:
    """Each setting is one of the search space: bounds, steps, conditions, groups and nested experiments hold."""
    sampler: Any = sampler_for(name, Wide(), 60, seed=3)
    settings: list[Any] = []

    while (setting := sampler.ask()) is not None:
        settings.append(setting)
        sampler.tell(setting, setting.lr)
    assert len({h.identity for h in settings}) == 60
    for h in settings:
        assert 1e-4 <= h.lr <= 1
        assert h.layers in (2, 4, 6, 8)
        assert (h.drop == 0.0) == (h.opt == "adam")
        assert (h.size, h.width) in ((16, 1), (32, 2))
        assert h.inner is None or 0.5 <= h.inner.momentum <= 1
        assert h.tag == f"{h.opt}-{h.layers}"
        again = Wide.from_values(h.as_dict(), h.searched)
        assert (again.identity, again.name) == (h.identity, h.name)
    assert {h.inner is None for h in settings} == {True, False}
    assert {h.opt for h in settings} == {"adam", "sgd"}


def test_log_uniform_is_even_on_its_scale() -> None:
    """As many below the middle of the logarithm as above."""
    drawn = [h.lr for h in all_of(sampler_for("random", Wide(), 400, seed=1))]
    below = sum(math.log(each) < math.log(1e-2) for each in drawn)
    assert 140 < below < 260


@pytest.mark.parametrize("name", ["random", "tpe"])
def test_seed_decides(name: str) -> None:
    """The same seed draws the same, another does not; no seed is one, so that a start again finds what is done."""
    one, same, other = (
        [h.identity for h in all_of(sampler_for(name, Wide(), 8, seed=seed))] for seed in (5, 5, 6)
    )
    assert one == same != other
    assert [h.identity for h in all_of(sampler_for("random", Wide(), 8))] == [
        h.identity for h in all_of(sampler_for("random", Wide(), 8, seed=0))
    ]


class Small(Experiment):
    """Six settings."""

    objective = "loss"
    a: int = search(1, 2, 3)
    b: str = search("x", "y")


@pytest.mark.parametrize("name", ["random", "tpe"])
def test_exhausted_space_ends(name: str) -> None:
    """Where there are fewer settings than samples, each is given once."""
    assert {h.identity for h in all_of(sampler_for(name, Small(), 50))} == {h.identity for h in Small()}


def test_grid_is_the_grid() -> None:
    """The default asks for nothing of an experiment."""
    assert [h.identity for h in all_of(sampler_for("grid", Small()))] == [h.identity for h in Small()]
    assert len(all_of(sampler_for("grid", Small(), 4))) == 4


class Measured(Small):
    """Settings that run."""

    def run(self) -> dict[str, int]:
        """Give a loss."""
        return {"loss": -self.a}


class Backwards(Sampler):
    """A grid from its end on; it keeps what it is told."""

    def __init__(self) -> None:
        self.left: list[Experiment] = list(Measured())
        self.told: list[tuple[int, float | None, str]] = []

    def ask(self) -> Experiment | None:
        """Give the last one."""
        return self.left.pop() if self.left else None

    def tell(self, setting: Experiment, value: float | None, status: str = "done") -> None:
        """Keep it."""
        assert isinstance(setting, Measured)
        self.told.append((setting.a, value, status))


def test_a_sampler_of_ones_own_is_asked_and_told(tmp_path: Path) -> None:
    """It says what is run next, and hears what came of that."""
    sampler = Backwards()
    assert sampler_for(sampler, Measured()) is sampler
    root = str(tmp_path)
    assert Measured().run_all(num_proc=0, sampler=sampler, root=root, display=Nothing()).done == 6
    assert sampler.told == [(a, -a, "done") for a in (3, 3, 2, 2, 1, 1)]


def quality(sampler: Any) -> float:
    """Give the best of what a sampler asks for: how near lr is to a hundredth, how few layers."""
    best = math.inf

    while (setting := sampler.ask()) is not None:
        loss = abs(math.log10(setting.lr) + 2) + setting.layers / 8
        sampler.tell(setting, loss)
        best = min(best, loss)
    return best


@pytest.mark.one_python
def test_optimiser_learns_from_what_it_is_told() -> None:
    """On the whole it finds better settings than chance does with as many."""
    learnt = sum(quality(sampler_for("tpe", Wide(), 60, seed=seed)) for seed in range(3))
    chance = sum(quality(sampler_for("random", Wide(), 60, seed=seed)) for seed in range(3))
    assert learnt < chance


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_earlier_results_count(direction: str) -> None:
    """What an earlier start found is told first: it is not asked for again, and counts among the samples."""
    earlier = [h for h in all_of(sampler_for("random", Wide(), 30, seed=9)) if h.opt == "adam"]
    sampler = sampler_for("tpe", Wide(), len(earlier) + 5, direction=direction)
    for h in earlier:
        sampler.tell(h, h.lr)
    sampler.tell(earlier[0], 1e9)  # told twice: the first counts
    new = all_of(sampler)
    assert len(new) == 5
    assert not {h.identity for h in new} & {h.identity for h in earlier}
    study: Any = sampler._study  # type: ignore[attr-defined] # of the sampler of Optuna's
    best = (min if direction == "minimize" else max)(h.lr for h in earlier)
    assert study.best_value == best


def test_failures_are_told() -> None:
    """A setting that failed, was killed, or returned no number is none that an optimiser learns from."""
    sampler = sampler_for("tpe", Wide(), 4)
    for value, status in ((None, "failed"), (None, "killed"), (math.nan, "done"), (1.0, "done")):
        setting = sampler.ask()
        assert setting is not None
        sampler.tell(setting, value, status)
    states = [trial.state.name for trial in sampler._study.trials]  # type: ignore[attr-defined] # as above
    assert states == ["FAIL", "FAIL", "FAIL", "COMPLETE"]


def test_hopeless_settings_are_pruned() -> None:
    """One that reports much worse values than those before it is to be given up; a grid gives up nothing."""
    sampler = sampler_for("tpe", Wide(), 20)
    given_up = []
    for at in range(12):
        setting = sampler.ask()
        assert setting is not None
        value = 1.0 if at < 10 else 100.0
        given_up.append(any(sampler.report(setting, step, value) for step in range(3)))
        sampler.tell(setting, value, "pruned" if given_up[-1] else "done")
    assert given_up == [False] * 10 + [True] * 2
    grid = sampler_for("grid", Small())
    first = grid.ask()
    assert first is not None
    assert not grid.report(first, 1, math.inf)


class Aimless(Experiment):
    """Has no objective."""

    a: float = search.uniform(0, 1)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"name": "tqe", "samples": 3, "objective": "loss"}, "no sampler 'tqe'; did you mean 'tpe'"),
        ({"name": "nonsense", "samples": 3}, r"no sampler 'nonsense'\. There are: grid"),
        ({"name": "random"}, "how many settings to draw: samples=100"),
        ({"name": "tpe", "samples": 3}, "needs an objective"),
        ({"name": "random", "samples": 0}, "samples=0 is no number of settings"),
        ({"name": "random", "samples": 3, "direction": "up"}, "neither 'minimize' nor 'maximize'"),
    ],
)
def test_refused(options: dict[str, Any], told: str) -> None:
    """What a sampler lacks is said with what to write."""
    with pytest.raises(SettingError, match=told):
        sampler_for(experiment=Aimless(), **options)


@pytest.mark.one_python
@pytest.mark.parametrize("name", ["qmc", "nsgaii"])
def test_other_samplers_by_name(name: str) -> None:
    """Any of Optuna's that needs no more than a name; and one that the user has made."""
    import optuna

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        assert len(all_of(sampler_for(name, Aimless(), 3, objective="loss"))) == 3
        mine = optuna.samplers.RandomSampler(seed=1)
        assert len(all_of(sampler_for(mine, Aimless(), 3, objective="loss"))) == 3


@pytest.mark.parametrize("package", ["cmaes", "optuna"])
def test_what_a_sampler_needs_is_missing(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """That is told before anything runs, with what to install."""
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=f"pip install '.*{package}") as caught:
        sampler_for("cmaes", Wide(), 5, seed=0)
    assert caught.value.package == package
