"""What a field is given fits its type: a value, each point of a search, and the bounds of a range."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from lattice_addons.errors import SettingError

from ._fit import fitted
from ._search import Search

if TYPE_CHECKING:
    from ._fields import Declared

__all__ = ["checked"]


def checked(cls: type, declared: Declared, value: Any) -> Any:
    """Give a field's value, or what is searched for it, in the field's type.

    Raises:
        SettingError: it is of another.
    """
    if not isinstance(value, Search):
        _refuse_inner_search(cls, declared, value)
        return _fitted(cls, declared, value)
    if value.otherwise is not None:
        otherwise = _fitted(cls, declared, value.otherwise)
        value = value if otherwise is value.otherwise else value.altered(otherwise=otherwise)
    if value.points is None:
        # Its numbers are floats, and stay so when they come back from a file.
        if type(_fits(cls, declared, value)) is not float:
            raise _other_numbers(cls, declared, value)
        return value
    if value.kind == "integers" and type(_fits(cls, declared, value)) is int:
        return value
    fits = [_fitted(cls, declared, each) for each in value.points]
    same = value.kind == "points" and all(map(operator.is_, fits, value.points))
    return value if same else value.altered(kind="points", points=fits)


def _fitted(cls: type, declared: Declared, value: Any) -> Any:
    return fitted(value, declared.hint, cls=cls, field=declared.name, optional=declared.default is None)


def _fits(cls: type, declared: Declared, value: Search) -> Any:
    """Give the lower bound of a range as a value of the field."""
    try:
        return _fitted(cls, declared, value.low)
    except SettingError:
        raise _other_numbers(cls, declared, value) from None


def _other_numbers(cls: type, declared: Declared, value: Search) -> SettingError:
    message = f"{cls.__qualname__}.{declared.name}: {value!r} gives numbers of another type than the field's"
    return SettingError(message, experiment=cls.__qualname__, field=declared.name)


def _refuse_inner_search(cls: type, declared: Declared, value: Any) -> None:
    inner = value.values() if isinstance(value, dict) else value
    if isinstance(value, (list, tuple, dict)) and any(isinstance(each, Search) for each in inner):
        message = f"{cls.__qualname__}.{declared.name}: a search stands for a whole field, and not for a part of it: "
        message += "search the values of the whole, or make the parts fields of a nested experiment"
        raise SettingError(message, experiment=cls.__qualname__, field=declared.name)
