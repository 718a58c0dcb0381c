"""What an experiment keeps beside its fields: the values it was made with, and who runs it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, TypeVar

from lattice_addons.errors import SettingError

from ._check import checked
from ._context import Context
from ._fields import ExperimentType, default_now, fields_of, is_experiment
from ._fresh import fresh
from ._identity import class_label, identity_of
from ._search import Search, alone
from ._templates import filled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._experiment import Experiment

    E = TypeVar("E", bound=Experiment)

__all__ = ["Inside", "attach", "begin", "expected", "make", "nested_classes", "searched_in", "told"]

_KEY = "_lattice"
# Of a setting that nobody else runs; whoever does attaches another.
_BY_HAND = Context()


class Inside:
    """Stands in an instance's ``__dict__``; the instance is handed in, so that neither keeps the other alive."""

    __slots__ = ("after", "context", "given", "identity", "ready", "searched", "setting")

    def __init__(self, given: dict[str, Any], searched: tuple[str, ...], *, setting: bool) -> None:
        # Values as they were before ``__post_init__`` or ``run`` altered any; for a setting, they alone count.
        self.given = given
        self.after: dict[str, Any] = {}
        self.searched = searched
        self.setting = setting
        self.ready = False
        self.identity: str | None = None
        self.context = _BY_HAND

    def __getstate__(self) -> tuple[Any, ...]:
        # Without the identity: whether it was asked for must not make another value of this one.
        return self.given, self.after, self.searched, self.setting, self.ready, None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.given, self.after, self.searched, self.setting, self.ready, self.identity = state
        self.context = _BY_HAND

    @classmethod
    def of(cls, experiment: Experiment) -> Inside:
        """Give what an experiment keeps."""
        found = experiment.__dict__.get(_KEY)
        if found is None:  # asked by its own ``__init__``
            found = begin(experiment)
        return found

    @staticmethod
    def is_ready(experiment: Experiment) -> bool:
        """Tell whether all fields are fixed, and each is what ``run`` will find."""
        found = experiment.__dict__.get(_KEY)
        return found is not None and found.ready

    def values(self, experiment: Experiment) -> dict[str, Any]:
        """Give the values of an experiment's fields, searches among them, as they were given."""
        if self.setting:
            return self.given
        values = {}
        for name, declared in fields_of(type(experiment)).items():
            value = getattr(experiment, name)
            same = name in self.after and value is self.after[name]
            values[name] = self.given[name] if same else checked(type(experiment), declared, value)
        return values

    def fixed_values(self, experiment: Experiment) -> dict[str, Any]:
        """Give the values where all of them are fixed."""
        if self.setting:
            return self.given
        values = self.values(experiment)
        searched = [name for name, value in values.items() if not _is_fixed(value)]
        if searched:
            cls = type(experiment).__qualname__
            message = (
                f"this {cls} is not one setting, for {searched[0]} is searched: ask those that it gives, "
            )
            raise SettingError(f"{message}`for h in {cls}(): …`", experiment=cls, field=searched[0])
        return filled(type(experiment), values)

    def values_now(self, experiment: Experiment) -> dict[str, Any]:
        """Give the values, with texts filled in where all are fixed."""
        return self.fixed_values(experiment) if _is_fixed(experiment) else self.values(experiment)

    def names_searched(self, experiment: Experiment) -> tuple[str, ...]:
        """Give the names of the fields that are searched."""
        return self.searched if self.setting else searched_in(self.values(experiment))

    def identity_of(self, experiment: Experiment) -> str:
        """Give the identity of a setting."""
        if self.identity is None or not self.setting:
            self.identity = identity_of(told(type(experiment), self.fixed_values(experiment)))
        return self.identity


def _is_fixed(value: Any) -> bool:
    if not is_experiment(value):
        return not isinstance(value, Search)
    inside = Inside.of(value)
    return inside.setting or all(map(_is_fixed, inside.values(value).values()))


def begin(experiment: Experiment) -> Inside:
    """Complete an instance that its ``__init__`` has made: check and fill in its fields."""
    cls = type(experiment)
    values = {}
    for name, declared in fields_of(cls).items():
        try:
            value = getattr(experiment, name)
        except AttributeError:  # an ``__init__`` of the class's own has left it out
            value = default_now(cls, name)
        if value is dataclasses.MISSING:
            raise SettingError(
                f"{cls.__qualname__}.{name} was not given", experiment=cls.__qualname__, field=name
            )
        value = checked(cls, declared, value)
        # A point that is the only one is the field's value, and is this instance's own.
        values[name] = value if alone(value) is value else fresh(alone(value))
    given = filled(cls, values) if all(map(_is_fixed, values.values())) else values
    for name, value in given.items():
        object.__setattr__(experiment, name, value)
    inside = Inside(values, (), setting=False)
    experiment.__dict__[_KEY] = inside
    _complete(experiment, inside, ready=all(map(_is_fixed, values.values())))
    inside.after = {name: getattr(experiment, name) for name in values}
    return inside


def make(cls: type[E], values: dict[str, Any], searched: tuple[str, ...]) -> E:
    """Make a setting from values that are all fixed; its own ``__init__`` is not asked."""
    given = filled(cls, values)
    made = object.__new__(cls)
    for name, value in given.items():
        # Past a frozen class's own; and into its slots, where it has some.
        object.__setattr__(made, name, _again(value) if is_experiment(value) else fresh(value))
    inside = made.__dict__[_KEY] = Inside(given, searched, setting=True)
    _complete(made, inside, ready=True)
    return made


def _again(nested: Experiment) -> Experiment:
    """Make a nested setting once more: what a run alters in its own is not altered in another's."""
    inside = Inside.of(nested)
    return make(type(nested), inside.fixed_values(nested), inside.names_searched(nested))


def _complete(experiment: Experiment, inside: Inside, *, ready: bool) -> None:
    inside.ready = ready
    if ready and hasattr(experiment, "__post_init__"):
        experiment.__post_init__()


def attach(setting: Experiment, context: Context) -> None:
    """Tell a setting, and the experiments nested in it, who runs it."""
    inside = Inside.of(setting)
    inside.context = context
    for name in inside.given:
        value = getattr(setting, name)
        if is_experiment(value):
            attach(value, context)


def searched_in(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Give the names of the fields of which there are several values; of nested experiments with a dot."""
    found: dict[str, None] = {}
    for name, value in values.items():
        nested = [value] if is_experiment(value) else []
        if isinstance(value, Search):
            if value.points is None or len(value.points) > 1 or value.when is not None:
                found[name] = None
            nested = (
                [each for each in value.points or () if is_experiment(each)] if value.kind == "points" else []
            )
        for each in nested:
            found.update(dict.fromkeys(f"{name}.{inner}" for inner in each.searched))
    return tuple(found)


def nested_classes(experiment: Experiment) -> dict[type[Experiment], None]:
    """Give the classes of the experiments that are nested in one, or in its points."""
    found: dict[type[Experiment], None] = {}
    for value in Inside.of(experiment).values(experiment).values():
        points = (*(value.points or ()), value.otherwise) if _is_listed(value) else (value,)
        for each in filter(is_experiment, points):
            found[type(each)] = None
            found.update(nested_classes(each))
    return found


def _is_listed(value: Any) -> bool:
    return isinstance(value, Search) and value.kind == "points"


def told(cls: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Give values with nested experiments as dicts, which say their class where the field does not."""
    found = dict(values)
    for name, value in values.items():
        if is_experiment(value):
            inner = told(type(value), Inside.of(value).values_now(value))
            label = {} if type(value) is expected(cls, name) else {"class": class_label(type(value))}
            found[name] = {**label, **inner}
    return found


def expected(cls: type, name: str) -> type | None:
    """Give the class that a nested experiment has when nothing is said."""
    declared = fields_of(cls)[name]
    if isinstance(declared.hint, ExperimentType):
        return declared.hint
    return type(declared.default) if is_experiment(declared.default) else None
