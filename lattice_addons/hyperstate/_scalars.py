"""One value for one field: pydantic says whether it fits, we what a person's spelling of it means."""

from __future__ import annotations

import enum
from functools import lru_cache
from pathlib import PurePath
from typing import Annotated, Any, Literal, get_args, get_origin

from ._hints import told
from ._path import nearest, shown
from ._ron_data import Tagged

__all__ = ["BOOLS", "Misfit", "checked", "enum_of", "literal_of", "scalar"]

# What people write for a bool; that YAML 1.2 takes `yes` for a text is news to most of them.
BOOLS = {
    "true": True,
    "yes": True,
    "on": True,
    "y": True,
    "false": False,
    "no": False,
    "off": False,
    "n": False,
}
_NUMBERS = {"inf": "inf", "+inf": "inf", "-inf": "-inf", "nan": "nan", "infinity": "inf", "-infinity": "-inf"}


class Misfit(Exception):  # noqa: N818 - never leaves this stage: it becomes a fault
    """A value does not fit; ``place`` is where in it, ``found`` says more than the value would."""

    def __init__(self, expected: str, found: str, hint: str = "", place: tuple[str | int, ...] = ()) -> None:
        super().__init__(expected)
        self.expected, self.found, self.hint, self.place = expected, found, hint, place


def scalar(tp: Any, data: Any, said: tuple[Any, ...], *, strict: bool) -> Any:
    """Give the value of this type that the data says; ``said`` is what ``Annotated`` asks of it.

    With ``strict`` a number is of exactly the type that it is written as: one type of a union is looked for.
    """
    unit = data.name if isinstance(data, Tagged) and not data.fields else data
    if get_origin(tp) is Literal:
        return literal_of(tp, unit)
    if isinstance(tp, type) and issubclass(tp, enum.Enum):
        return enum_of(tp, unit)
    if tp in (int, float, bool, str):
        return checked(tp, said, _taken(tp, data, strict=strict), data)
    if isinstance(tp, type) and issubclass(tp, PurePath):
        if not isinstance(data, str):
            raise Misfit("a path", shown(data))
        return tp(data)
    return checked(tp, (), data, data)


def _taken(tp: Any, data: Any, *, strict: bool) -> Any:
    """Give what pydantic, which is strict here, may take: nothing that a person did not mean."""
    is_number = isinstance(data, (int, float)) and not isinstance(data, bool)
    if strict:
        if type(data) is not tp and not (tp is str and isinstance(data, str)):
            raise Misfit(told(tp), shown(data))
    elif tp is int and isinstance(data, float) and data.is_integer():
        return int(data)
    elif tp is bool and isinstance(data, str) and data.lower() in BOOLS:
        return BOOLS[data.lower()]
    elif tp is float and isinstance(data, str) and data.lower() in _NUMBERS:
        return float(_NUMBERS[data.lower()])
    elif tp in (int, float) and isinstance(data, str):
        raise Misfit(told(tp), shown(data), _unquoted(tp, data))
    elif tp is str and not isinstance(data, str) and (is_number or isinstance(data, bool)):
        raise Misfit("a text", shown(data), "write it in quotes")
    elif tp is float and is_number:
        try:
            return float(data)
        except OverflowError:
            raise Misfit("a float", shown(data), "it is too large") from None
    # Not a Char, or another text that only looks like one.
    return str(data) if tp is str and isinstance(data, str) else data


def _unquoted(tp: Any, text: str) -> str:
    try:
        tp(text)
    except ValueError:
        return ""
    return "write it without quotes"


def literal_of(tp: Any, data: Any) -> Any:
    """Give the value of a ``Literal`` that the data says."""
    values = get_args(tp)
    if isinstance(data, float) and data.is_integer():
        data = int(data)
    for value in values:
        if isinstance(value, enum.Enum):
            if data in (value.name, value.value) and type(data) in (str, type(value.value)):
                return value
        elif value == data and (type(value) is type(data) or (type(value) is str and isinstance(data, str))):
            return value
    names = [str(getattr(value, "name", value)) for value in values]
    raise Misfit(told(tp), shown(data), nearest(data, names) if isinstance(data, str) else "")


def enum_of(tp: type[enum.Enum], data: Any) -> enum.Enum:
    """Give the member that the data names, or whose value it is."""
    if isinstance(data, str):
        names = [part.strip() for part in data.split("|")] if issubclass(tp, enum.Flag) else [data]
        if all(name in tp.__members__ for name in names):
            found = tp[names[0]]
            for name in names[1:]:
                found = found | tp[name]  # type: ignore[operator] # a Flag, as above
            return found
    try:
        for member in tp:
            if type(member.value) is type(data) and member.value == data:
                return member
        if isinstance(member_value := data, list):
            return tp(tuple(member_value))
        if issubclass(tp, enum.Flag) and type(data) is int:
            return tp(data)
        if issubclass(tp, int) and isinstance(data, float) and data.is_integer():
            return tp(int(data))
    except (ValueError, TypeError):
        pass
    raise Misfit(told(tp), shown(data), nearest(data, tp.__members__) if isinstance(data, str) else "")


def checked(tp: Any, said: tuple[Any, ...], value: Any, data: Any) -> Any:
    """Let pydantic check a value: its type, and what ``Annotated`` asks (``Gt(0)``, validators …)."""
    from pydantic import ValidationError

    # A discriminator asks nothing of a value; it says how one type of a union is found.
    asked = tuple(each for each in said if getattr(each, "discriminator", None) is None)
    try:
        adapter = _known_adapter(tp, asked)
    except TypeError:
        adapter = _adapter(tp, asked)
    try:
        return adapter.validate_python(value, strict=True if tp in (int, float, bool, str) else None)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise _misfit(tp, first, data) from None
    except Exception as error:  # noqa: BLE001 - a validator is the class's own, and raises what it likes
        raise Misfit("another value", shown(data), f"{type(error).__name__}: {error}") from None


def _misfit(tp: Any, first: Any, data: Any) -> Misfit:
    why = str(first["msg"])
    place = tuple(first["loc"])
    if first["type"] in ("value_error", "assertion_error"):
        return Misfit("another value", shown(data), why.partition(", ")[2] or why, place)
    if first["type"] in ("int_type", "float_type", "bool_type", "string_type", "int_from_float"):
        return Misfit(told(tp), shown(data))
    told_as = why.removeprefix("Input should be ")
    article = "a value " if told_as.startswith(("greater", "less", "a multiple")) else ""
    return Misfit(article + told_as[:1].lower() + told_as[1:], shown(first.get("input", data)), place=place)


def _adapter(tp: Any, said: tuple[Any, ...]) -> Any:
    from pydantic import ConfigDict, TypeAdapter
    from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError

    from lattice_addons.errors import ConfigError

    whole: Any = Annotated[(tp, *said)] if said else tp
    try:
        try:
            return TypeAdapter(whole, config=ConfigDict(arbitrary_types_allowed=True))
        except PydanticUserError:
            # Some types have settings of their own.
            return TypeAdapter(whole)
    except (PydanticSchemaGenerationError, PydanticUserError, TypeError) as error:
        why = str(error).partition("\n")[0]
        raise ConfigError(f"pydantic cannot check {told(tp)}: {why}", file="", faults=()) from None


_known_adapter = lru_cache(maxsize=1024)(_adapter)
