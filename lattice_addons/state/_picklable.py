"""Values that say at once, and not at the save, what of them cannot be stored."""

# ruff: noqa: ANN401  what a dict takes, and what attributes hold, is anything

from __future__ import annotations

import copy
import copyreg
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, Final

from lattice_addons._html import brief
from lattice_addons.encoding import encode
from lattice_addons.errors import EncodeError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import Self

# More of them nobody looks at.
_ROWS: Final = 100
_SCALARS: Final = frozenset({type(None), bool, int, float, complex, str, bytes})


def _check(owner: object, part: str, value: object) -> None:
    """Refuse a value that cannot be stored, and name the part of the owner that it would be."""
    if type(value) in _SCALARS:
        return
    try:
        encode(value)
    except EncodeError as error:
        message = f"{type(owner).__name__} cannot keep {part}: {error}"
        raise EncodeError(message, type=error.type, where=part) from error


class Picklable:
    """A base for classes whose instances refuse, when it is set, an attribute that cannot be stored.

    A class that says itself what is stored (``__getstate__`` or ``__reduce__``) may have any attributes.
    """

    __module__ = "lattice_addons.state"

    def __setattr__(self, name: str, value: object) -> None:
        """Set an attribute that can be stored.

        Raises:
            EncodeError: it cannot be stored; the attribute stays as it was.
        """
        if not _says_itself(type(self)):
            _check(self, f"attribute {name!r}", value)
        super().__setattr__(name, value)


def _says_itself(kind: type) -> bool:
    methods = ("__getstate__", "__reduce__", "__reduce_ex__", "__getnewargs_ex__")
    # object has no __getstate__ before Python 3.11.
    return any(getattr(kind, name, None) is not getattr(object, name, None) for name in methods)


class State(Picklable):
    """A plain object of named values: ``State(epoch=3, loss=0.1)``.

    Two are equal when they are of one class and all their values are.
    """

    __module__ = "lattice_addons.state"

    def __init__(self, **values: object) -> None:
        for name, value in values.items():
            setattr(self, name, value)

    # Only for the type checker: a State has the attributes that it was given.
    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    __hash__: ClassVar[None] = None  # type: ignore[assignment]  # it changes

    def __eq__(self, other: object) -> bool:
        """Compare class and values."""
        if type(other) is not type(self):
            return NotImplemented
        return vars(self) == vars(other)

    def __repr__(self) -> str:
        """Show the values by name."""
        values = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"{type(self).__name__}({values})"

    def _repr_html_(self) -> str:
        from ._shown import values_html

        return values_html(self, vars(self))


class PicklableWrapper(Picklable):
    """An object around a value that has no identity of its own, such as a number or a list."""

    __module__ = "lattice_addons.state"

    wrapped: Any

    def __init__(self, wrapped: object) -> None:
        self.wrapped = wrapped

    def __repr__(self) -> str:
        """Show what is wrapped."""
        return f"{type(self).__name__}({self.wrapped!r})"

    def _repr_html_(self) -> str:
        from ._shown import values_html

        return values_html(self, {"wrapped": self.wrapped})


class PicklableDict(dict[Any, Any]):
    """A dict that can be referred to weakly, and refuses an item that cannot be stored.

    Raises:
        EncodeError: from every way of setting items; it names the item, and none of the items is set.
    """

    __module__ = "lattice_addons.state"

    def __init__(self, *args: Any, **items: Any) -> None:
        super().__init__()
        self.update(*args, **items)

    def __setitem__(self, key: object, value: object) -> None:
        """Set an item that can be stored."""
        self._check_item(key, value)
        super().__setitem__(key, value)

    def setdefault(self, key: object, default: object = None) -> Any:
        """Give the item; set it to the default first if there is none."""
        if key not in self:
            self[key] = default
        return self[key]

    def update(self, *args: Any, **items: Any) -> None:
        """Set several items, or none of them."""
        given = dict(*args, **items)
        for key, value in given.items():
            self._check_item(key, value)
        super().update(given)

    def __ior__(self, other: Any) -> Self:  # takes what update() takes, as dict's does
        """Set several items, or none of them."""
        self.update(other)
        return self

    def __or__(self, other: Any) -> Self:
        """Give a new one with the items of both."""
        if not isinstance(other, dict):
            return NotImplemented
        both = self.copy()
        both.update(other)
        return both

    def copy(self) -> Self:
        """Give another one with the same items and attributes, which need not be checked again."""
        return copy.copy(self)

    @classmethod
    def fromkeys(cls, iterable: Iterable[Any], value: Any = None, /) -> Self:
        """Make one with these keys and one value."""
        return cls(dict.fromkeys(iterable, value))

    def __reduce_ex__(self, protocol: object, /) -> tuple[Any, ...]:
        """Pickle as class, items and attributes: items set one by one would all be checked again."""
        return copyreg.__newobj__, (type(self),), (dict(self), dict(vars(self)))  # type: ignore[attr-defined]

    def __setstate__(self, state: tuple[dict[Any, Any], dict[str, Any]]) -> None:
        """Take items and attributes out of a pickle."""
        items, attributes = state
        super().update(items)
        vars(self).update(attributes)

    def __repr__(self) -> str:
        """Show the items."""
        return f"{type(self).__name__}({super().__repr__()})"

    def _repr_html_(self) -> str:
        from ._shown import values_html

        shown = {brief(key): self[key] for key in islice(self, _ROWS)}
        return values_html(self, shown, left_out=len(self) - _ROWS)

    def _check_item(self, key: object, value: object) -> None:
        _check(self, f"key {key!r}", key)
        _check(self, f"item {key!r}", value)
