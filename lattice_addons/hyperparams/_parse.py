"""Source is read for calls of placeholders, and never run."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from ._facts import Facts, Use
from ._hints import bad_hint
from ._kinds import kinds_in
from ._names import check_name
from ._occurrence import MISSING, Occurrence, literal
from ._problem import NoPython, Problem
from ._scopes import calls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ._scopes import Scope
    from ._source import Source

__all__ = ["may_declare", "parse", "read"]

_POSITIONAL = 2
_SETTERS = {"set_value": True, "set_values": True, "set_text": True, "get_value": False}


def may_declare(data: bytes, placeholder: str | None) -> bool:
    """Tell quickly whether a placeholder can occur in a file at all; without one, any that is imported from us."""
    head = data[:200]
    if b"coding" in head and re.search(rb"coding[:=]\s*utf[-_]?(?:7|16|32)", head):
        return True  # in these an ASCII letter may be other bytes
    if placeholder is None:
        return b"hyperparams" in data and b"lattice_addons" in data
    name = placeholder.encode()
    # What follows the name, before the bracket, is nothing, a space, or a line that goes on.
    return re.search(rb"(?<![\w\x80-\xff])" + re.escape(name) + rb"(?:\s|\\|#[^\n]*\n)*\(", data) is not None


def parse(source: Source, placeholder: str | None = None) -> dict[str, Facts]:
    """Give what a source says of each manager that it imports from us.

    With a ``placeholder`` every call of that bare name is taken, whatever it is.
    """
    found: dict[str, Facts] = {}
    for call, scope, bare in calls(source.tree()):
        function = call.func
        name = function.value if isinstance(function, ast.Attribute) else function
        if not isinstance(name, ast.Name):
            continue
        manager = _manager(name.id, scope, placeholder)
        if manager is None:
            continue
        facts = found.setdefault(manager, Facts())
        if isinstance(function, ast.Attribute):
            facts.uses += _uses(source, call, function.attr)
        else:
            _Call(source, call, bare=bare, facts=facts).read()
    return found


def _manager(name: str, scope: Scope, placeholder: str | None) -> str | None:
    if placeholder is None:
        return scope.manager(name)
    return placeholder if name == placeholder else None


class _Call:
    """A call of a placeholder, as it is being read."""

    def __init__(self, source: Source, call: ast.Call, *, bare: bool, facts: Facts) -> None:
        self._source = source
        self._call = call
        self._bare = bare
        self._facts = facts
        self._name = ""

    def read(self) -> None:
        """Add the occurrence, or what is wrong with it."""
        call, source = self._call, self._source
        count = len(call.args)
        if not 1 <= count <= _POSITIONAL or any(isinstance(each, ast.Starred) for each in call.args):
            shown = "with a star" if count in (1, _POSITIONAL) else f"{count} of them"
            self._wrong("arguments", call, f"a name and perhaps a default are given by position, not {shown}")
            return
        name = call.args[0]
        if not isinstance(name, ast.Constant) or not isinstance(name.value, str):
            shown = source.segment(name)
            self._wrong("name", name, f"the name of a hyper-parameter is a literal string, and not {shown}")
            return
        self._name = name.value
        why = check_name(name.value)
        if why is not None:
            self._wrong("name", name, why)
            return
        hints = self._hints()
        if hints is None:
            return
        default = source.segment(call.args[1]) if count == _POSITIONAL else None
        line, column = self._place(call)
        self._facts.occurrences.append(
            Occurrence(
                name.value,
                source.path,
                source.number(line),
                column,
                default=default,
                value=MISSING if default is None else literal(call.args[1]),
                hints=hints,
                cell=source.cell(line),
                bare=self._bare,
                context=source.context(line),
            )
        )

    def _hints(self) -> dict[str, object] | None:
        """Give the hints, or None when there is a problem with one."""
        hints: dict[str, object] = {}
        for keyword in self._call.keywords:
            if keyword.arg is None:
                self._wrong("hint", keyword.value, "hints are given by name, and not by **")
                return None
            value = literal(keyword.value)
            if keyword.arg == "type":
                kinds = kinds_in(keyword.value)
                value = " | ".join(kinds) if kinds else "?"
            if value is MISSING:
                self._wrong("hint", keyword.value, f"the hint {keyword.arg} of {self._name!r} is no literal")
                return None
            why = bad_hint(keyword.arg, value)
            if why is not None:
                self._wrong("hint", keyword.value, f"the hint {keyword.arg} of {self._name!r}: {why}")
                return None
            hints[keyword.arg] = value
        return hints

    def _place(self, node: ast.expr) -> tuple[int, int]:
        return node.lineno, self._source.column(node.lineno, node.col_offset)

    def _wrong(self, kind: str, node: ast.expr, why: str) -> None:
        line, column = self._place(node)
        source = self._source
        where = (
            source.path,
            source.number(line),
            column,
            self._name,
            source.cell(line),
            source.context(line),
        )
        self._facts.problems.append(Problem(kind, why, *where))


def _uses(source: Source, call: ast.Call, method: str) -> Iterator[Use]:
    """Give the names that a method of a manager sets or reads, as far as they are literals."""
    if method not in _SETTERS or not call.args:
        return
    first = call.args[0]
    keys = first.keys if method == "set_values" and isinstance(first, ast.Dict) else [first]
    for key in keys:
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            column = source.column(key.lineno, key.col_offset)
            place = (source.number(key.lineno), column, source.cell(key.lineno), source.context(key.lineno))
            yield Use(key.value, _SETTERS[method], source.path, *place)


def read(source: Callable[[], Source], placeholder: str | None = None) -> dict[str, Facts]:
    """As `parse`; a source that is no Python is a problem of every manager, under ``""``."""
    try:
        return parse(source(), placeholder)
    except NoPython as error:
        return {"": Facts(problems=[error.problem])}
