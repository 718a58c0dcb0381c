"""What a runner was asked for, checked, as one thing."""

from __future__ import annotations

import dataclasses
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

from lattice_addons.errors import SettingError

from ._pools import check_processes

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from ._display import Display
    from ._experiment import Experiment
    from ._samplers import Sampler

    F = TypeVar("F", bound=Callable[..., Any])

__all__ = ["Options", "Order", "order", "shows_its_options"]

_BLIND = ("grid", "random")  # samplers that do not look at what was found


class Options(TypedDict, total=False):
    """The options of `run_all` for type checkers and editors; those of an `Order`, which has their defaults."""

    resume: bool
    rerun: str | tuple[str, ...]
    clean: bool
    dry_run: bool
    limit: int | None
    fail_fast: bool
    sampler: str | Sampler
    samples: int | None
    seed: int | None
    objective: str | None
    direction: str | None
    executor: Any
    dask: Any
    root: str | None
    display: Display | None


@dataclass(frozen=True)
class Order:
    """The arguments of `run_all`, which says what they are."""

    experiment: Experiment
    num_proc: int = 1
    _: dataclasses.KW_ONLY
    resume: bool = True
    rerun: str | tuple[str, ...] = ()
    clean: bool = False
    dry_run: bool = False
    limit: int | None = None
    fail_fast: bool = False
    sampler: str | Sampler = "grid"
    samples: int | None = None
    seed: int | None = None
    objective: str | None = None
    direction: str | None = None
    executor: Any = None
    dask: Any = None
    root: str | None = None
    display: Display | None = None

    @property
    def cls(self) -> type[Experiment]:
        """Give the experiment's class."""
        return type(self.experiment)

    @property
    def asked_again(self) -> tuple[str, ...]:
        """Give what is to be run again all the same."""
        return (self.rerun,) if isinstance(self.rerun, str) else tuple(self.rerun)

    @property
    def goal(self) -> str | None:
        """Give the result that an optimiser looks at."""
        return self.objective or self.cls.objective

    @property
    def walks_grid(self) -> bool:
        """Say whether every combination of points is run once."""
        return bool(self.sampler == "grid")

    @property
    def learns(self) -> bool:
        """Say whether the sampler looks at what came of one setting before it gives the next."""
        return self.sampler not in _BLIND

    def check(self) -> None:
        """Refuse what cannot be.

        Raises: `SettingError`
        """
        name = self.cls.__qualname__
        check_processes(name, self.num_proc)
        if self.executor is not None and self.dask is not None:
            message = f"{name}: it can run on an executor or on Dask, not on both: leave one of them out"
            raise SettingError(message, experiment=name, field="executor")

    def make_sampler(self) -> Sampler:
        """Make who says which setting is run next."""
        from ._samplers import sampler_for

        return sampler_for(self.sampler, self.experiment, self.samples, self.seed, self.direction, self.goal)


_NAMES = [each.name for each in dataclasses.fields(Order)]


def order(experiment: Experiment, num_proc: int, options: Options) -> Order:
    """Make an order of the arguments of `run_all`.

    Raises: `SettingError`
    """
    for name in options:
        if name not in _NAMES[2:]:
            import difflib

            near = difflib.get_close_matches(name, _NAMES, n=1)
            message = f"run_all has no option {name!r}" + f"; near it: {near[0]}" * bool(near)
            raise SettingError(message, experiment=type(experiment).__qualname__, field=name)
    made = Order(experiment, num_proc, **options)
    made.check()
    return made


def shows_its_options(function: F) -> F:
    """Let ``help()`` and editors show what a function takes that passes its arguments on to an `Order`."""
    own = inspect.signature(function)
    first, *_ = own.parameters.values()
    _, *taken = inspect.signature(Order).parameters.values()
    function.__signature__ = own.replace(parameters=[first, *taken])  # type: ignore[attr-defined] # inspect looks for it
    return function
