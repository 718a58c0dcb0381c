"""A text may name other fields: ``"{model}-{lr}"`` is filled in when they are decided."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, Any

from lattice_addons.errors import SettingError

from ._fields import no_field

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ["Template", "filled", "is_template"]


def _names_in(text: str) -> list[str]:
    """Give the fields that a text names; none where its braces are something else."""
    try:
        parsed = [each for each in string.Formatter().parse(text) if each[1] is not None]
    except ValueError:
        return []
    return [str(name).partition(".")[0].partition("[")[0] for _, name, _, _ in parsed]


def is_template(value: object, fields: Collection[str]) -> bool:
    """Tell whether a value is a text that names a field."""
    return type(value) is str and "{" in value and any(name in fields for name in _names_in(value))


class Template(string.Formatter):
    """Fills in texts from the fields of one setting, whichever of them names which."""

    def __init__(self, cls: type, values: Mapping[str, Any], fields: Collection[str]) -> None:
        self._cls, self._values, self._fields = cls, values, fields
        self._open: list[str] = []

    def get_value(self, key: Any, args: Any, kwargs: Any) -> Any:  # noqa: ARG002 - a formatter's
        """Give the value of a field, which may be such a text again."""
        if key not in self._fields:
            raise no_field(self._cls, str(key), self._fields)
        return self.value(key)

    def value(self, name: str) -> Any:
        """Give a field's value with what it names filled in."""
        value = self._values[name]
        if not is_template(value, self._fields):
            return value
        if name in self._open:
            loop = " -> ".join([*self._open[self._open.index(name) :], name])
            message = f"{self._cls.__qualname__}.{name}: texts that name each other have no value: {loop}"
            raise SettingError(message, experiment=self._cls.__qualname__, field=name)
        self._open.append(name)
        try:
            return self.vformat(value, (), {})
        except SettingError:
            raise
        except Exception as error:
            # A format that does not fit the value, an attribute that a nested experiment does not have.
            message = f"{self._cls.__qualname__}.{name}: {value!r} cannot be filled in: {error}"
            raise SettingError(message, experiment=self._cls.__qualname__, field=name) from error
        finally:
            self._open.pop()


def filled(cls: type, values: dict[str, Any]) -> dict[str, Any]:
    """Give values in which every text that names fields is filled in."""
    names = [name for name, value in values.items() if is_template(value, values)]
    if not names:
        return values
    template = Template(cls, values, values.keys())
    return {**values, **{name: template.value(name) for name in names}}
