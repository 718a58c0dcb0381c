"""What is said of a hyper-parameter beside its default: ``type``, ``choices``, ``min``, ``max``, ``help``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._kinds import Unfit, fit, kind_of, kinds_named
from ._occurrence import MISSING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._kinds import Kinds

__all__ = ["bad_hint", "kinds", "range_told", "taken"]


def bad_hint(name: str, value: object) -> str | None:
    """Say what is wrong with a hint, if anything is; one of a name that we do not know is the user's."""
    if name == "type" and kinds_named(value) is None:
        return "type is a builtin type as int, several as int | None, or such a name in quotes"
    if name == "choices" and not isinstance(value, (list, tuple, set, frozenset, dict, range)):
        return "choices is a list, tuple or set"
    if name in ("min", "max") and isinstance(value, (type(None), list, dict, set)):
        return f"{name} is a number, or something else that can be compared"
    if name == "help" and not isinstance(value, str):
        return "help is a text"
    return None


def kinds(default: object, hints: Mapping[str, object]) -> Kinds | None:
    """Give the types that values may have; None when there is nothing to tell it from."""
    if "type" in hints:
        return kinds_named(hints["type"])
    kind = kind_of(default)
    return None if kind is None or default is MISSING else (kind,)


def taken(value: Any, default: object, hints: Mapping[str, Any]) -> Any:  # noqa: ANN401 - of any type
    """Give the value as it is taken for a hyper-parameter with this default and these hints.

    Raises:
        Unfit: it is of the wrong type, none of the choices, too small or too large.
    """
    value = fit(value, kinds(default, hints))
    if "choices" in hints and not _among(value, hints["choices"]):
        shown = ", ".join(map(repr, hints["choices"]))
        raise Unfit(f"{value!r} is none of the choices: {shown}")
    if value is None:
        return value
    try:
        if ("min" in hints and not value >= hints["min"]) or ("max" in hints and not value <= hints["max"]):
            raise Unfit(f"{value!r} is not {range_told(hints)}")
    except TypeError:
        raise Unfit(f"{value!r} cannot be compared with {range_told(hints)}") from None
    return value


def range_told(hints: Mapping[str, object]) -> str:
    """Say within which bounds values must be."""
    if "min" in hints and "max" in hints:
        return f"from {hints['min']!r} to {hints['max']!r}"
    if "min" in hints:
        return f"{hints['min']!r} or more"
    return f"{hints['max']!r} or less" if "max" in hints else ""


def _among(value: object, choices: Any) -> bool:  # noqa: ANN401 - whatever contains
    # 1, 1.0 and True are equal to Python, and not the same choice.
    return any(type(value) is type(each) and value == each for each in choices)
