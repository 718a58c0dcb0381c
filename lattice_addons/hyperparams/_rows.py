"""What a list of hyper-parameters tells of each, whether it is for people, a notebook or a program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ._hints import kinds, range_told
from ._kinds import kind_of
from ._occurrence import MISSING, Occurrence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._manager import HyperParameters

__all__ = ["Row", "rows"]

_LONGEST = 400


@dataclass(frozen=True)
class Row:
    """A hyper-parameter with its type and its value as texts."""

    name: str
    kind: str
    value: str
    default: str
    is_set: bool
    hints: str
    occurrences: tuple[Occurrence, ...]


def rows(manager: HyperParameters) -> Iterator[Row]:
    """Give a row for each hyper-parameter, in the order of their names."""
    values = manager.get_values()
    for name in sorted(manager.names()):
        known = manager.declaration(name)
        hints = known.hints if known is not None else {}
        default = known.value if known is not None else MISSING
        value = values.get(name, MISSING)
        found = kinds(default, hints) or ((kind_of(value),) if kind_of(value) else None)
        source = known.default.default if known is not None and known.default is not None else None
        yield Row(
            name=name,
            kind=" | ".join(each for each in found if each) if found else _other(value),
            value=_shown(value, source),
            default=_shown(default, source),
            is_set=manager.is_set(name),
            hints=_hints(hints),
            occurrences=tuple(known.occurrences) if known is not None else (),
        )


def _other(value: object) -> str:
    if value is MISSING:
        return "expression"
    return "None" if value is None else type(value).__name__


def _shown(value: Any, source: str | None) -> str:  # noqa: ANN401 - of any type
    if value is MISSING:
        return source if source is not None else "–"
    text = repr(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _hints(hints: dict[str, object]) -> str:
    """Say in words what the hints say; those of the user's own as they are."""
    told = [str(hints["help"])] if "help" in hints else []
    if "choices" in hints:
        told.append("one of " + ", ".join(map(repr, hints["choices"])))  # type: ignore[call-overload]
    if range_told(hints):
        told.append(range_told(hints))
    own = hints.keys() - {"help", "choices", "min", "max", "type"}
    return "; ".join(told + [f"{name}: {hints[name]!r}" for name in sorted(own)])
