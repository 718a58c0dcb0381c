"""A setting is made again from its values, in a worker or from a journal."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, TypeVar

from lattice_addons.errors import SettingError

from ._check import checked
from ._fields import ExperimentType, default_now, fields_of, is_experiment, no_field
from ._identity import class_label
from ._inside import expected, make
from ._search import Search

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ._experiment import Experiment

    E = TypeVar("E", bound=Experiment)

__all__ = ["from_values"]


def from_values(cls: type[E], values: Mapping[str, Any], searched: tuple[str, ...] = ()) -> E:
    """Make a setting of a class from its values, nested ones as dicts."""
    fields = fields_of(cls)
    for name in values:
        if name not in fields:
            raise no_field(cls, name, fields)
    made: dict[str, Any] = {}
    for name, declared in fields.items():
        value = values[name] if name in values else default_now(cls, name)
        if value is dataclasses.MISSING or isinstance(value, Search):
            message = f"{cls.__qualname__}.{name} has no value: these are the values of another version of the class"
            raise SettingError(message, experiment=cls.__qualname__, field=name)
        nested = _class_of(cls, name, value) if isinstance(value, dict) else None
        if nested is not None:
            inner = {key: each for key, each in value.items() if key != "class"}
            value = from_values(nested, inner, _below(name, searched))
        # What no condition asked for is None, or whatever else was said, of whichever type.
        made[name] = value if value is None else checked(cls, declared, value)
    return make(cls, made, searched)


def _below(name: str, searched: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(each[len(name) + 1 :] for each in searched if each.startswith(f"{name}."))


def _class_of(cls: type, name: str, value: dict[str, Any]) -> Any:
    """Give the class of a nested experiment that stands as a dict; None where it is a dict."""
    usual = expected(cls, name)
    label = value.get("class")
    if label is None:
        return usual
    for each in _candidates(cls, name):
        if class_label(each) == label:
            return each
    if usual is None:
        return None
    message = f"{cls.__qualname__}.{name}: no experiment {label!r} is known; import its module first"
    raise SettingError(message, experiment=cls.__qualname__, field=name)


def _candidates(cls: type, name: str) -> Iterator[type]:
    """Give the classes that a field's experiment may be of: those of its default's points, and below its type."""
    declared = fields_of(cls)[name]
    default = declared.default
    points = default.points or () if isinstance(default, Search) else (default,)
    yield from (type(each) for each in points if is_experiment(each))
    from ._experiment import Experiment

    seen: list[type] = [declared.hint if isinstance(declared.hint, ExperimentType) else Experiment]
    for each in seen:
        yield each
        seen += each.__subclasses__()
