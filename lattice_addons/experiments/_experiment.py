"""One class is one experiment: its fields say what is searched, its ``run`` what is done."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from ._fields import ExperimentType, declare
from ._fresh import fresh
from ._inside import Inside, begin, make, told
from ._order import shows_its_options
from ._space import Space

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from typing_extensions import Self, Unpack, dataclass_transform

    from lattice_addons.state import StateManagerGroup

    from ._order import Options
    from ._run_all import Summary
else:

    def dataclass_transform(**_options: Any) -> Callable[[type], type]:
        """Tell type checkers, and nobody else."""
        return lambda cls: cls


__all__ = ["Experiment"]

T = TypeVar("T")


@dataclass_transform()
class Experiment(metaclass=ExperimentType):
    """Fields with types and defaults, some of them searched; and ``run``, which is done for each setting.

    ::

        class Hyperparams(Experiment):
            steps: int = 100
            batch_size: int = search(16, 32)

            def run(self) -> dict:
                return {"samples": self.batch_size * self.steps}

        for h in Hyperparams():
            print(h.run())

        Hyperparams(batch_size=search(2, 4, 8)).run_all(num_proc=2)

    ``@dataclass`` may stand above the class. A class attribute ``objective = "loss"`` says which result samplers
    look at, and ``direction = "maximize"`` that more is better.
    """

    __module__ = "lattice_addons.experiments"

    objective: ClassVar[str | None] = None
    direction: ClassVar[str] = "minimize"

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        declare(cls, _TAKEN)
        own = vars(cls).get("__post_init__")
        if own is not None and not hasattr(own, "__wrapped__"):
            type.__setattr__(cls, "__post_init__", _once_fixed(own))  # a dataclass's

    def run(self) -> Any:
        """Run this setting; write your own. What it returns becomes rows of the results."""
        raise NotImplementedError(
            f"{type(self).__qualname__} has no run(): write `def run(self) -> dict:` in the class"
        )

    def __iter__(self) -> Iterator[Self]:
        """Give the settings, one for each combination of points, in a stable order: the last field turns fastest."""
        inside = Inside.of(self)
        if inside.setting:
            yield self
            return
        searched = self.searched
        for values in Space(type(self), inside.values(self)).walk():
            yield make(type(self), values, searched)

    def __len__(self) -> int:
        """Give how many settings there are."""
        inside = Inside.of(self)
        return 1 if inside.setting else Space(type(self), inside.values(self)).count()

    def __bool__(self) -> bool:
        """Say that it is there; to ask whether it is must not count its settings."""
        return True

    def as_dict(self) -> dict[str, Any]:
        """Give the fields as a dict, those of nested experiments as dicts in it."""
        values = told(type(self), Inside.of(self).values_now(self))
        return {name: fresh(value) for name, value in values.items()}

    @classmethod
    def from_values(cls, values: Mapping[str, Any], searched: tuple[str, ...] = ()) -> Self:
        """Make a setting from what `as_dict` gave of one; ``searched`` are the fields that its name tells."""
        from ._from_values import from_values

        return from_values(cls, values, searched)

    @property
    def searched(self) -> tuple[str, ...]:
        """The fields that are searched, or were before this setting was fixed; ``optimizer.lr`` of a nested one."""
        return Inside.of(self).names_searched(self)

    @property
    def identity(self) -> str:
        """What a setting is known by: 16 digits that depend on its values, and on nothing else."""
        return Inside.of(self).identity_of(self)

    @property
    def name(self) -> str:
        """What a setting is called: ``batch_size=16,lr=0.1``."""
        from ._names import name_of

        return name_of(self)

    @property
    def file_name(self) -> str:
        """The name as part of a file's: no two settings have the same."""
        from ._names import file_name

        return file_name(self.name, self.identity)

    @property
    def rank(self) -> int:
        """Which of the ``n_proc`` workers runs this setting; the first is 0."""
        return Inside.of(self).context.rank

    @property
    def n_proc(self) -> int:
        """How many workers there are."""
        return Inside.of(self).context.n_proc

    def report(self, step: float, value: float) -> None:
        """Tell the sampler how the run goes.

        Raises:
            Pruned: it is not worth going on; let it pass, and the setting is recorded as pruned.
        """
        from ._context import Pruned

        context = Inside.of(self).context
        if context.report is not None and context.report(step, value):
            raise Pruned(f"given up at step {step:g}, with {value:g}")

    @property
    def state(self) -> StateManagerGroup:
        """The state of this run alone: what is registered here is there again when an interrupted run starts again."""
        context = Inside.of(self).context
        if context.state is not None:
            return context.state()
        from ._state import state_of

        return state_of(self)

    def shared(self, load: Callable[[], T]) -> T:
        """Give what ``load`` gives, loaded once on this host and looked at by all its workers."""
        context = Inside.of(self).context
        if context.shared is not None:
            given: T = context.shared(load)
            return given
        from ._shared import shared

        loaded: T = shared(self, load)
        return loaded

    @shows_its_options
    def run_all(self, num_proc: int = 1, **options: Unpack[Options]) -> Summary:
        """Run every setting that is not done yet, on so many processes; see `run_all` for the options."""
        from ._run_all import run_all

        return run_all(self, num_proc, **options)

    @classmethod
    def results(cls, kind: str = "pandas", root: str | None = None, *, all_versions: bool = False) -> Any:
        """Give the results as a table: ``pandas``, ``polars`` or ``arrow``; see `results` for the options."""
        from ._results import results

        return results(cls, kind, root, all_versions=all_versions)

    def _begin(self) -> None:
        """Complete an instance that was made by its ``__init__``: check its fields, fill in its texts."""
        begin(self)


# A class may annotate what samplers look at, and it is a field then.
_TAKEN = frozenset(name for name in vars(Experiment) if not name.startswith("__")) - {
    "objective",
    "direction",
}


def _once_fixed(method: Callable[..., None]) -> Callable[..., None]:
    """Let a class's ``__post_init__`` see fixed fields only: not searches, and each setting's own."""

    @wraps(method)
    def post_init(self: Experiment, *args: Any) -> None:
        if Inside.is_ready(self):
            method(self, *args)

    return post_init
