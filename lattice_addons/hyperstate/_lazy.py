"""A lazy field of a state is made when it is first used, of the config and of the fields that it asks for."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Protocol

from lattice_addons.errors import HyperStateError

from ._draws import as_if_nothing_was_drawn, noticed

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    Rule = Literal["replicated", "per-rank"]

__all__ = ["LAZY", "Lazy", "LazyValues", "bind", "kept_of", "lazy", "lazy_fields", "rule_of"]

_BOUND = "_lattice_lazy"
LAZY = "lazy"


def lazy(make: Callable[[Any, Any], Any], *, ranks: Literal["replicated", "per-rank"] | None = None) -> Any:
    """Declare a field of a state that ``make(config, state)`` initialises, when it is first used.

    ``make`` may use every other field of the state, lazy ones too: they are initialised before it, in whatever order
    they stand. After a restart the value is made in the same way, and then put back where it was: by its
    ``load_state_dict`` (PyTorch's modules and optimizers, in place), by its ``load(config, state, state_dict)``, or
    else what was stored takes its place.

    Fields that need each other are an error that shows the cycle.

    In a job of several ranks ``ranks="replicated"`` says that all have the same value: it is stored once. See
    `StateManagerGroup.register`.
    """
    return dataclasses.field(
        default=Lazy(make, ranks), init=False, repr=False, compare=False, metadata={LAZY: True}
    )


class Kept(Protocol):
    """What is stored of lazy fields; ``making`` are those that are being made, the outermost first."""

    making: list[str]

    def has(self, path: str) -> bool:
        """Say whether a value of this field is stored."""

    def read(self, path: str, ranks: Rule | None = None) -> object:
        """Read what is stored of this field."""


class LazyValues:
    """Where the lazy fields of one object get their values: the config, the whole state, and what is stored."""

    def __init__(self, config: object, state: object, prefix: str, kept: Kept) -> None:
        self._config, self._state, self._prefix, self._kept = config, state, prefix, kept

    def make(self, name: str, make: Callable[[Any, Any], Any], ranks: Rule | None = None) -> object:
        """Make the value of a field, as it was stored if it was."""
        path, making = f"{self._prefix}{name}", self._kept.making
        if path in making:
            cycle = " → ".join([*making[making.index(path) :], path])
            message = (
                f"lazy fields of the state need each other: {cycle}; let one of them be made without the next"
            )
            raise HyperStateError(message)
        making.append(path)
        try:
            if not self._kept.has(path):
                return make(self._config, self._state)
            with as_if_nothing_was_drawn():
                value = make(self._config, self._state)
            return _put_back(value, self._config, self._state, self._kept.read(path, ranks))
        finally:
            making.pop()


class Lazy:
    """The descriptor behind a lazy field."""

    def __init__(self, make: Callable[[Any, Any], Any], ranks: Rule | None = None) -> None:
        self._make = make
        self.ranks = ranks
        self._name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        """Learn the field's name."""
        self._name = name

    def __get__(self, instance: object | None, owner: type) -> Any:
        """Give the value, made now if this is its first use."""
        if instance is None:
            return self
        values = vars(instance)
        if self._name not in values:
            bound: LazyValues | None = values.get(_BOUND)
            if bound is None:
                message = (
                    f"{owner.__name__}.{self._name} is initialised when HyperState.load has made the state; "
                    f"initial_state cannot use it"
                )
                raise HyperStateError(message)
            values[self._name] = bound.make(self._name, self._make, self.ranks)
        return noticed(values[self._name])

    def __set__(self, instance: object, value: object) -> None:
        """Take a value in the place of the one that would be made."""
        vars(instance)[self._name] = value


def rule_of(state: object, name: str) -> Rule | None:
    """Give what was said of the ranks' values of a lazy field."""
    found: Lazy = getattr(type(state), name)
    return found.ranks


def lazy_fields(state: object) -> dict[str, bool]:
    """Give the names of the lazy fields of a state object, each with whether it has its value."""
    fields = dataclasses.fields(state)  # type: ignore[arg-type]
    return {field.name: field.name in vars(state) for field in fields if field.metadata.get(LAZY)}


def bind(state: object, values: LazyValues) -> None:
    """Say where the lazy fields of a state object get their values."""
    vars(state)[_BOUND] = values


def kept_of(value: Any) -> object:
    """Give what is stored of a lazy field's value."""
    for name in ("get_state_dict", "state_dict"):
        if hasattr(value, name):
            return getattr(value, name)()
    return value


def _put_back(value: Any, config: object, state: object, stored: object) -> object:
    if hasattr(value, "load_state_dict"):
        value.load_state_dict(stored)
        return value
    if hasattr(value, "load") and hasattr(value, "get_state_dict"):
        given = value.load(config, state, stored)
        return value if given is None else given
    return stored
