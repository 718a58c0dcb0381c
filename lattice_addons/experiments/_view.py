"""What a condition sees of an experiment: the fields that are decided, and the class's own properties."""

from __future__ import annotations

import difflib
import inspect
import types
from typing import TYPE_CHECKING, Any

from lattice_addons.errors import SettingError

from ._templates import Template, is_template

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["View"]


class View:
    """Stands for a setting of which some fields are not decided."""

    def __init__(
        self, cls: type, values: Mapping[str, Any], undecided: frozenset[str], asking: tuple[str, ...]
    ) -> None:
        self._cls, self._values, self._undecided, self._asking = cls, values, undecided, asking

    def __getattr__(self, name: str) -> Any:
        if name in self._undecided:
            which = "itself" if name in self._asking else f"{name!r}, which is decided after it"
            raise AttributeError(f"it asks for {which}: put {name!r} above it in the class")
        if name in self._values:
            value = self._values[name]
            if is_template(value, self._values):
                return Template(self._cls, self._values, self._values.keys()).value(name)
            return value
        found = getattr(self._cls, name, None)
        if isinstance(found, property) and found.fget is not None:
            return found.fget(self)
        # As it stands in the class: a static method is a function, too, when it is asked for.
        method = inspect.getattr_static(self._cls, name, None)
        if isinstance(method, types.FunctionType):
            return types.MethodType(method, self)
        if found is not None:
            return found
        near = difflib.get_close_matches(name, list(self._values), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise AttributeError(f"{self._cls.__qualname__} has no field {name!r}{hint}")

    def says(self, when: Callable[[Any], object], name: str) -> bool:
        """Ask a field's condition."""
        try:
            return bool(when(self))
        except Exception as error:
            # The user's own function; what it raises belongs to the field.
            message = f"{self._cls.__qualname__}.{name}: its condition (when=…) raised {type(error).__name__}: {error}"
            raise SettingError(message, experiment=self._cls.__qualname__, field=name) from error
