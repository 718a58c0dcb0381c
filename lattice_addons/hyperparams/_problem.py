"""What is wrong at a place in source, as it is told to people and as it is raised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lattice_addons.errors import DeclarationError, DuplicateDeclarationError, SourceError

from ._occurrence import Context, Occurrence, marked, shown_path

if TYPE_CHECKING:
    from lattice_addons.errors import HyperParameterError

__all__ = ["NoPython", "Problem"]


@dataclass(frozen=True)
class Problem:
    """What is wrong at a place in source; ``other`` is the place that it contradicts."""

    kind: str
    why: str
    path: str
    line: int
    column: int
    name: str = ""
    cell: int | None = None
    context: Context = ()
    other: Occurrence | None = None

    def told(self) -> str:
        """Say it to people, with the lines around the place."""
        cell = "" if self.cell is None else f", cell {self.cell}"
        text = f"{shown_path(self.path)}{cell}, line {self.line}, column {self.column}: {self.why}"
        parts = [text, marked(self.context, self.line, self.column)]
        if self.other is not None:
            first = self.other
            parts += [
                f"and at {first.place}, column {first.column}:",
                marked(first.context, first.line, first.column),
            ]
        return "\n".join(part for part in parts if part)

    def error(self, more: int = 0) -> HyperParameterError:
        """Give it as an error, which says that there are more."""
        text = self.told() + (f"\n(and {more} more, which `lattice hp PATH check` lists)" if more else "")
        if self.kind == "source":
            return SourceError(text, filename=self.path, lineno=self.line, offset=self.column, msg=self.why)
        facts: dict[str, Any] = {
            "path": self.path,
            "line": self.line,
            "column": self.column,
            "name": self.name,
        }
        if self.other is None:
            return DeclarationError(text, **facts)
        here = Occurrence(self.name, self.path, self.line, self.column, cell=self.cell)
        return DuplicateDeclarationError(text, places=(self.other.place, here.place), **facts)


class NoPython(Exception):  # noqa: N818 - never leaves this stage: its problem does
    """A source cannot be parsed."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.why)
        self.problem = problem
