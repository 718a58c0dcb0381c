"""What all occurrences of a name say together: one default, one set of hints, one place in the tree of names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ._hints import taken
from ._kinds import Unfit
from ._occurrence import MISSING, Occurrence
from ._problem import Problem
from ._tree import above

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Declared", "declared"]


@dataclass
class Declared:
    """A hyper-parameter as source declares it."""

    name: str
    occurrences: list[Occurrence] = field(default_factory=list)
    default: Occurrence | None = None
    hints: dict[str, object] = field(default_factory=dict)
    #: What a call of the placeholder gave when it ran.
    given: Any = MISSING

    @property
    def value(self) -> Any:  # noqa: ANN401 - of any type
        """The default's value; `MISSING` where there is none, or it is no literal and did not run."""
        found = MISSING if self.default is None else self.default.value
        return self.given if found is MISSING else found

    def take(self, value: Any) -> Any:  # noqa: ANN401 - of any type
        """Give the value as it is taken; `Unfit` when it is not."""
        return taken(value, self.value, self.hints)


def declared(
    occurrences: Iterable[Occurrence], replaced: Mapping[str, Occurrence]
) -> tuple[dict[str, Declared], list[Problem]]:
    """Put occurrences together by name, and say what contradicts what.

    For a name of ``replaced`` that occurrence has the default, whatever the others say.
    """
    found: dict[str, Declared] = {}
    problems: list[Problem] = []
    for each in occurrences:
        known = found.setdefault(each.name, Declared(each.name))
        known.occurrences.append(each)
        if each.name not in replaced and each.default is not None:
            if known.default is not None:
                why = f"{each.name!r} has a default here, and another one elsewhere: let one place declare it"
                problems.append(_problem("duplicate", why, each, known.default))
            else:
                known.default = each
        problems += _hint_problems(known, each)
    for name, each in replaced.items():
        known = found.setdefault(name, Declared(name))
        known.occurrences.append(each)
        known.default, known.hints = each, known.hints | dict(each.hints)
    for known in found.values():
        problems += _default_problems(known)
    return found, [*problems, *_tree_problems(found)]


def _hint_problems(known: Declared, each: Occurrence) -> Iterable[Problem]:
    for hint, value in each.hints.items():
        if hint in known.hints and known.hints[hint] != value:
            other = next(before for before in known.occurrences if hint in before.hints)
            yield _problem(
                "duplicate", f"{each.name!r} has another hint {hint} here than elsewhere", each, other
            )
        known.hints.setdefault(hint, value)


def _default_problems(known: Declared) -> Iterable[Problem]:
    # None is the default of one that has no value yet, whatever it is to be.
    if known.default is not None and known.value is not MISSING and known.value is not None:
        try:
            known.take(known.value)
        except Unfit as error:
            yield _problem(
                "hint", f"the default of {known.name!r} is against its own hints: {error}", known.default
            )


def _tree_problems(found: Mapping[str, Declared]) -> Iterable[Problem]:
    for name, known in found.items():
        for branch in above(name):
            if branch in found:
                why = f"{name!r} makes a branch of {branch!r}, which has a value of its own elsewhere"
                yield _problem("tree", why, known.occurrences[0], found[branch].occurrences[0])


def _problem(kind: str, why: str, at: Occurrence, other: Occurrence | None = None) -> Problem:
    return Problem(kind, why, at.path, at.line, at.column, at.name, at.cell, at.context, other)
