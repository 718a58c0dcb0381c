"""Plain data becomes a tree of dataclasses: every fault in it is found, and told with its path and line."""

from __future__ import annotations

import collections
import collections.abc
from typing import TYPE_CHECKING, Any, TypeAlias, get_args, get_origin

from ._faults import config_error
from ._hints import class_of, is_union, members, stripped, told
from ._path import nearest, shown
from ._plain import plain
from ._ron_data import Tagged
from ._scalars import Misfit, checked, scalar
from ._unions import chosen, possible

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._faults import Lines

__all__ = ["BAD", "Leaf", "build", "plain"]

# Makes the values of types that others know; NotImplemented is: not this one.
Leaf: TypeAlias = "Callable[[Any, Any, tuple[Any, ...]], Any]"

_LISTS = (list, collections.abc.Sequence, collections.abc.MutableSequence, collections.abc.Iterable,
          collections.abc.Collection)  # fmt: skip
_SETS = (collections.abc.Set, collections.abc.MutableSet)
_DICTS = (collections.abc.Mapping, collections.abc.MutableMapping)
BAD: Any = type("Bad", (), {})()


def build(  # noqa: PLR0913 - all by name
    cls: Any,
    data: Any,
    lines: Lines | None = None,
    where: str = "",
    *,
    ignore_extra_fields: bool = False,
    missing_is_null: bool = False,
    fill: Callable[[Any], Any] | None = None,
    leaf: Leaf | None = None,
) -> Any:
    """Make an instance of a dataclass, and of those in it, from plain data.

    Args:
        cls: The dataclass, or another type that a field may have.
        data: What a file says: dicts, lists, scalars and `Tagged`.
        lines: The line of each value, by the path that leads to it.
        where: The file, for errors.
        ignore_extra_fields: Pass over fields that the class does not have, here and in all classes below.
        missing_is_null: A field that may be None and has no default is None when it is missing (TOML has no null).
        fill: Gives for the type of a field that has no value and no default what it gets; `BAD` for a fault.
        leaf: Makes the values of types that are not known here: type, data, path; or gives NotImplemented.

    Raises:
        ConfigError: with all ``faults``.
    """
    maker = _Maker(lines or {}, leaf, fill, ignore=ignore_extra_fields, missing_is_null=missing_is_null)
    made = maker.value(cls, data, ())
    if maker.faults:
        raise config_error(cls, maker.faults, lines or {}, where)
    return made


class _Maker:
    """Goes through data and types side by side; what does not fit is noted, and the rest looked at, too."""

    def __init__(
        self, lines: Lines, leaf: Leaf | None, fill: Any, *, ignore: bool, missing_is_null: bool
    ) -> None:
        self.lines, self.leaf, self.fill = lines, leaf, fill
        self.ignore, self.missing_is_null = ignore, missing_is_null
        self.faults: list[tuple[tuple[Any, ...], Misfit]] = []

    def value(self, tp: Any, data: Any, path: tuple[Any, ...], *, strict: bool = False) -> Any:
        """Give the value of this type, or `BAD` and a fault."""
        tp, said = stripped(tp)
        if self.leaf is not None:
            made = self.leaf(tp, data, path)
            if made is not NotImplemented:
                return made
        try:
            made = self._made(tp, data, path, said, strict=strict)
            if said and made is not BAD and tp not in (int, float, bool, str):
                made = checked(Any, said, made, data)
        except Misfit as misfit:
            return self._fault((*path, *misfit.place), misfit)
        return made

    def _again(self) -> _Maker:
        """Give one that has found no faults yet, for what is only tried."""
        return _Maker(
            self.lines, self.leaf, self.fill, ignore=self.ignore, missing_is_null=self.missing_is_null
        )

    def _fault(self, path: tuple[Any, ...], misfit: Misfit) -> Any:
        self.faults.append((path, misfit))
        return BAD

    def _made(self, tp: Any, data: Any, path: tuple[Any, ...], said: tuple[Any, ...], *, strict: bool) -> Any:
        if tp is Any or tp is object:
            return _untyped(data)
        if is_union(tp):
            return self._one_of(tp, data, path)
        if class_of(tp) is not None:
            return self._instance(tp, data, path)
        if tp is None or tp is type(None):
            if data is not None:
                raise Misfit("null", shown(data))
            return None
        origin = get_origin(tp) or tp
        if isinstance(origin, type) and origin is not str and not _is_pydantics(origin):
            made = self._many(tp, origin, data, path, strict=strict)
            if made is not NotImplemented:
                return made
        return scalar(tp, data, said, strict=strict)

    def _many(self, tp: Any, origin: Any, data: Any, path: tuple[Any, ...], *, strict: bool) -> Any:
        """Give a list, a tuple, a set or a dict; NotImplemented for another type."""
        if origin in _LISTS or issubclass(origin, (list, collections.deque)):
            items = self._items(tp, data, path, strict=strict)
            return items if items is BAD or origin in _LISTS else origin(items)
        if issubclass(origin, tuple):
            return self._tuple(tp, data, path, strict=strict)
        if origin in _SETS or issubclass(origin, (set, frozenset)):
            return self._set(tp, origin, data, path)
        if origin in _DICTS or issubclass(origin, dict):
            return self._dict(tp, origin, data, path)
        return NotImplemented

    def _items(self, tp: Any, data: Any, path: tuple[Any, ...], *, strict: bool) -> Any:
        inside = (get_args(tp) or (Any,))[0]
        if not isinstance(data, (list, tuple)):
            raise Misfit(told(tp), shown(data))
        made = [self.value(inside, each, (*path, at), strict=strict) for at, each in enumerate(data)]
        return BAD if any(each is BAD for each in made) else made

    def _tuple(self, tp: Any, data: Any, path: tuple[Any, ...], *, strict: bool) -> Any:
        if isinstance(data, Tagged) and isinstance(data.fields, list):
            data = data.fields
        args = get_args(tp)
        if (
            not args
            and tp in (tuple, get_origin(tuple[Any, ...]))
            and str(tp) not in ("tuple[()]", "typing.Tuple[()]")
        ):
            args = (Any, ...)
        if len(args) == 2 and args[1] is ...:  # noqa: PLR2004 - a type and an ellipsis
            made = self._items(list[args[0]], data, path, strict=strict)  # type: ignore[valid-type] # found in the class
            return made if made is BAD else tuple(made)
        args = () if args == ((),) else args
        if not isinstance(data, (list, tuple)) or len(data) != len(args):
            found = f"{len(data)}" if isinstance(data, (list, tuple)) else shown(data)
            raise Misfit(f"a list of {len(args)} values", found)
        kinds = zip(args, data, strict=True)
        made = [self.value(kind, each, (*path, at), strict=strict) for at, (kind, each) in enumerate(kinds)]
        return BAD if any(each is BAD for each in made) else tuple(made)

    def _set(self, tp: Any, origin: Any, data: Any, path: tuple[Any, ...]) -> Any:
        items = self._items(tp, data, path, strict=False)
        if items is BAD:
            return BAD
        try:
            return set(items) if origin in _SETS else origin(items)
        except TypeError as error:
            raise Misfit("values that can be in a set", shown(data), str(error)) from None

    def _dict(self, tp: Any, origin: Any, data: Any, path: tuple[Any, ...]) -> Any:
        if not isinstance(data, dict):
            raise Misfit("a mapping", shown(data))
        of_keys, of_values = get_args(tp) if len(get_args(tp)) == 2 else (Any, Any)  # noqa: PLR2004 - keys, values
        made: dict[Any, Any] = {}
        for key, each in data.items():
            name = self._key(of_keys, key, (*path, key))
            value = self.value(of_values, each, (*path, key))
            if name is not BAD and name in made:
                name = self._fault((*path, key), Misfit("every key once", f"{shown(name)} once more"))
            if name is not BAD:
                made[name] = value
        if any(each is BAD for each in made.values()) or len(made) < len(data):
            return BAD
        if origin in _DICTS or origin is dict:
            return made
        if not issubclass(origin, collections.defaultdict):
            return origin(made)
        kind = get_origin(_bare(of_values)) or _bare(of_values)
        return origin(kind if kind in (list, dict, set, int, float, str) else None, made)

    def _key(self, tp: Any, key: Any, path: tuple[Any, ...]) -> Any:
        """Give a key; in JSON and TOML all keys are texts, whatever they say."""
        if not isinstance(key, str):
            return self.value(tp, key, path)
        from ._values import value_of

        made = self.value(tp, value_of(tp, key), path)
        # Where a key may be anything, one that looks like a list or a mapping is the text that it is.
        return made if isinstance(made, collections.abc.Hashable) else key

    def _one_of(self, tp: Any, data: Any, path: tuple[Any, ...]) -> Any:
        if data is None and type(None) in map(_bare, get_args(tp)):
            return None
        kinds = chosen(tp, data)
        for strict in (True, False):
            fitting = []
            for kind in kinds:
                attempt = self._again()
                made = attempt.value(kind, data, path, strict=strict)
                if not attempt.faults:
                    fitting.append((class_of(kind), made))
                if fitting and fitting[0][0] is None:
                    break
            names = [cls.__name__ for cls in dict.fromkeys(cls for cls, _ in fitting) if cls is not None]
            if len(names) > 1:
                hint = f"add 'type: {names[0]}'"
                raise Misfit(f"a word on which it is: {' or '.join(names)}", "what fits all of them", hint)
            if fitting:
                return fitting[0][1]
        likely = possible(kinds, data)
        if len(likely) == 1:
            return self.value(likely[0], data, path)
        raise Misfit(told(tp), shown(data))

    def _instance(self, tp: Any, data: Any, path: tuple[Any, ...]) -> Any:
        from ._instance import fields_in

        fields = members(tp)
        cls = class_of(tp)
        given = fields_in(tp, fields, data)
        before = len(self.faults)
        made: dict[str, Any] = {}
        for name, each in given.items():
            if name in fields:
                made[name] = self.value(fields[name].type, each, (*path, name))
            elif not self.ignore:
                free = [other for other in fields if other not in given]
                hint = nearest(name, free) or nearest(name, fields)
                names = ", ".join(fields) or "no fields"
                known = f"a field of {getattr(cls, '__name__', cls)}: {names}"
                self._fault((*path, name), Misfit(known, f"the unknown field {name!r}", hint))
        for name, member in fields.items():
            if name not in given and member.default is None:
                made[name] = self._missing(member.type, (*path, name))
        return BAD if len(self.faults) > before else self._called(cls, made, path)

    def _missing(self, tp: Any, path: tuple[Any, ...]) -> Any:
        if self.missing_is_null and type(None) in map(_bare, get_args(_bare(tp))):
            return None
        filled = BAD if self.fill is None else self.fill(tp)
        return self._fault(path, Misfit(told(tp), "nothing")) if filled is BAD else filled

    def _called(self, cls: Any, made: dict[str, Any], path: tuple[Any, ...]) -> Any:
        try:
            return cls(**made)
        except Exception as error:  # noqa: BLE001 - the class's own checks, in __post_init__, raise what they like
            errors = getattr(error, "errors", None)
            if not callable(errors):
                return self._fault(
                    path, Misfit(f"values that {cls.__name__} takes", f"{type(error).__name__}: {error}")
                )
            for each in errors():
                place = tuple(part for part in each["loc"] if isinstance(part, (str, int)))
                self._fault((*path, *place), Misfit("another value", shown(each.get("input")), each["msg"]))
            return BAD


def _is_pydantics(origin: type) -> bool:
    """Tell whether a class is a tuple or a dict whose fields have names of their own."""
    return hasattr(origin, "_fields") or hasattr(origin, "__total__")


def _bare(tp: Any) -> Any:
    return stripped(tp)[0]


def _untyped(data: Any) -> Any:
    """Give data as Python's own types, where a field says nothing of what it takes."""
    if isinstance(data, dict):
        return {key: _untyped(each) for key, each in data.items()}
    if isinstance(data, (list, tuple)):
        return type(data)(_untyped(each) for each in data)
    return data
