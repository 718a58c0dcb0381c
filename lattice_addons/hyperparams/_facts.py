"""What the source of one file says of hyper-parameters: where they stand, and what is wrong there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ._hints import bad_hint
from ._occurrence import MISSING, Context, Occurrence, literal
from ._problem import Problem

__all__ = ["Facts", "Use"]


@dataclass(frozen=True)
class Use:
    """A name that is set or read by a method: ``_.set_value("lr", …)``, ``_.get_value("lr")``."""

    name: str
    sets: bool
    path: str
    line: int
    column: int
    cell: int | None = None
    context: Context = ()


@dataclass
class Facts:
    """What one file says of one manager."""

    occurrences: list[Occurrence] = field(default_factory=list)
    uses: list[Use] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def plain(self) -> list[Any]:
        """Give it as JSON can say it, without the path: values as the texts of their literals."""
        return [
            [_without(each, default=each.default, hints={k: repr(v) for k, v in each.hints.items()}, bare=each.bare)
             for each in self.occurrences],
            [_without(each, sets=each.sets) for each in self.uses],
            [_without(each, kind=each.kind, why=each.why) for each in self.problems],
        ]  # fmt: skip

    @classmethod
    def of_plain(cls, told: list[Any], path: str) -> Facts:
        """Give what `plain` gave.

        Raises:
            ValueError, TypeError, KeyError: it is not what `plain` gives.
        """
        occurrences, uses, problems = told
        return cls(
            [_occurrence(each, path) for each in occurrences],
            [Use(**_checked(each, path, sets=bool)) for each in uses],
            [Problem(**_checked(each, path, kind=str, why=str)) for each in problems],
        )


def _without(each: Occurrence | Use | Problem, **more: object) -> dict[str, object]:
    """Give what all of these have but the path."""
    shared = {"name": each.name, "line": each.line, "column": each.column, "cell": each.cell}
    return shared | {"context": [list(line) for line in each.context]} | more


def _occurrence(told: dict[str, Any], path: str) -> Occurrence:
    fields = _checked(told, path, default=(str, type(None)), hints=dict, bare=bool)
    fields["hints"] = {str(name): literal(text) for name, text in fields["hints"].items()}
    if any(value is MISSING or bad_hint(name, value) for name, value in fields["hints"].items()):
        raise ValueError("a hint is no literal")
    default = fields["default"]
    return Occurrence(**fields, value=MISSING if default is None else literal(default))


def _checked(told: dict[str, Any], path: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - types
    """Check each field's type: what stands in a cache may have been written by anybody."""
    kinds: dict[str, Any] = {
        "name": str,
        "line": int,
        "column": int,
        "cell": (int, type(None)),
        "context": list,
    } | more
    if told.keys() != kinds.keys() or not all(isinstance(told[name], kind) for name, kind in kinds.items()):
        raise TypeError("its fields are others")
    context = tuple((int(number), str(text)) for number, text in told["context"])
    return told | {"context": context, "path": path}
