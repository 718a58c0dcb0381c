"""A value as a command line says it: what the text means depends on the type that is wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._hints import kinds
from ._kinds import KINDS, Unfit, fit
from ._occurrence import MISSING, literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._declared import Declared

__all__ = ["value_of"]

_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def value_of(text: str, known: Declared) -> Any:  # noqa: ANN401 - of any type
    """Give the value that a text says for a hyper-parameter; where any type will do, a literal, or else the text.

    Raises:
        Unfit: it says none of the types, or none that the hints allow.
    """
    wanted = kinds(known.value, known.hints)
    if wanted is None:
        value = literal(text.strip())
        return known.take(text if value is MISSING else value)
    for kind in sorted(wanted, key=lambda each: each == "str"):  # a text is what nothing else will do for
        try:
            return known.take(_read(text, kind))
        except (ValueError, Unfit, OverflowError):
            continue
    if wanted == ("str",) or "choices" in known.hints or len(wanted) == 1:
        _explain(text, wanted[0], known)
    raise Unfit(f"{text!r} says no {' or '.join(wanted)}{_as_choice(known)}")


def _explain(text: str, kind: str, known: Declared) -> None:
    """Raise why the text is not taken, where it does say a value of this type."""
    try:
        value = _read(text, kind)
    except (ValueError, OverflowError):
        return
    known.take(value)


def _as_choice(known: Declared) -> str:
    choices: Any = known.hints.get("choices")
    return f"; the choices are {', '.join(map(repr, choices))}" if choices else ""


def _bool(text: str) -> bool:
    folded = text.strip().lower()
    if folded in _TRUE:
        return True
    if folded in _FALSE:
        return False
    raise ValueError(text)


def _int(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        return int(text, 0)


_READERS: dict[str, Callable[[str], Any]] = {
    "bool": _bool,
    "int": _int,
    "float": float,
    "complex": complex,
    "str": str,
}


def _read(text: str, kind: str) -> Any:  # noqa: ANN401 - of any type
    if kind in _READERS:
        return _READERS[kind](text)
    value = literal(text.strip())
    if value is MISSING:
        raise ValueError(text)
    if kind == "None" and value is not None:
        raise ValueError(text)
    # A command line that says 1,2 says a tuple, and means a list where one is wanted.
    wanted = KINDS[kind]
    if isinstance(value, (list, tuple, set)) and wanted in (list, tuple, set, frozenset):
        try:
            return wanted(value)
        except TypeError:  # an item, as a list, that no set can hold
            raise ValueError(text) from None
    return fit(value, (kind,))
