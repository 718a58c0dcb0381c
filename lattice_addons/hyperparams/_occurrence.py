"""One place in source at which a hyper-parameter stands, and what it says there."""

from __future__ import annotations

import ast
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lattice_addons._quiet import quiet

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["AROUND", "MISSING", "Context", "Occurrence", "literal", "marked", "shown_path"]

#: How many lines before and after one are shown with it.
AROUND = 5
#: Around a line, the numbers and texts of the lines that are shown with it.
Context = tuple[tuple[int, str], ...]


class _Missing:
    """Stands where there is no value; None is one."""

    def __repr__(self) -> str:
        return "<no value>"

    def __bool__(self) -> bool:
        return False


MISSING: Any = _Missing()


def literal(told: str | ast.expr) -> Any:  # noqa: ANN401 - any literal
    """Evaluate a literal; `MISSING` for any other expression. Nothing is ever run."""
    try:
        if not isinstance(told, str):
            return ast.literal_eval(told)
        with quiet():
            # In parentheses, as in the call where it stands: a text may go on over several lines.
            return ast.literal_eval(f"({told}\n)")
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return MISSING


def marked(context: Context, line: int, column: int | None = None) -> str:
    """Show numbered lines, one of them marked."""
    width = len(str(context[-1][0])) if context else 1
    shown = []
    for number, text in context:
        arrow = "==>" if number == line else "   "
        shown.append(f"  {arrow} {number:>{width}}: {text}".rstrip())
        if number == line and column is not None:
            shown.append(" " * (8 + width + column - 1) + "^")
    return "\n".join(shown)


def shown_path(path: str) -> str:
    """Give a path as people want to read it: from here, where it is below."""
    try:
        below = os.path.relpath(path)
    except (OSError, ValueError):  # the working directory is gone
        return path
    return path if below.startswith("..") else below


@dataclass(frozen=True)
class Occurrence:
    """A call of a placeholder: ``_("name", default, **hints)``.

    ``default`` is the source text of the default, None where there is none; ``value`` is what it says, or
    `MISSING` where it is no literal. In a notebook ``cell`` is the number of its cell, and ``line`` that in the cell.
    """

    __module__ = "lattice_addons.hyperparams"

    name: str
    path: str
    line: int
    column: int
    default: str | None = None
    value: Any = field(default=MISSING, compare=False)
    hints: Mapping[str, object] = field(default_factory=dict, compare=False)
    cell: int | None = None
    #: Nothing takes the value: the call is a statement by itself.
    bare: bool = False
    context: Context = field(default=(), repr=False, compare=False)

    @property
    def place(self) -> str:
        """Where it is: ``model.py:6``, or ``notes.ipynb[3]:2`` in a notebook's third cell."""
        cell = "" if self.cell is None else f"[{self.cell}]"
        return f"{shown_path(self.path)}{cell}:{self.line}"

    def record(self) -> dict[str, object]:
        """Give it as plain data."""
        return {
            "name": self.name,
            "path": self.path,
            "cell": self.cell,
            "line": self.line,
            "column": self.column,
            "default": self.default,
            "value": None if self.value is MISSING else self.value,
            "literal": self.value is not MISSING,
            "hints": dict(self.hints),
        }
