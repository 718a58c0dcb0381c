"""What is wrong with the hyper-parameters of a tree of source, all of it: for people, and before a commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._collect import collect
from ._declared import declared
from ._problem import Problem

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator

    from ._facts import Facts

__all__ = ["check"]


def check(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    placeholder: str = "_",
    *,
    take_all: bool = False,
    cache: bool = True,
) -> list[str]:
    """Say what is wrong with the hyper-parameters of files and folders, each with its place; nothing is run.

    That is all for which `HyperParameters.parse_file` raises an error, and besides names that are declared or set
    and that nobody reads: neither a call of the placeholder whose value is used, nor ``get_value``.

    Raises:
        NoSourceError: a path does not exist.
    """
    found = collect(paths, name=placeholder, take_all=take_all, cache=cache)
    problems = [problem for facts in found.values() for problem in facts.problems]
    _, contradictions = declared((each for facts in found.values() for each in facts.occurrences), {})
    every = [*problems, *contradictions, *_never_read(list(found.values()))]
    return [
        problem.told() for problem in sorted(every, key=lambda each: (each.path, each.cell or 0, each.line))
    ]


def _never_read(found: list[Facts]) -> Iterator[Problem]:
    occurrences = [each for facts in found for each in facts.occurrences]
    uses = [each for facts in found for each in facts.uses]
    read = {each.name for each in occurrences if not each.bare} | {
        each.name for each in uses if not each.sets
    }
    for occurrence in occurrences:
        if occurrence.name not in read and occurrence.default is not None:
            why = f"{occurrence.name!r} is declared here, and nobody reads it"
            yield _problem(occurrence, why)
    for use in uses:
        if use.sets and use.name not in read:
            yield _problem(use, f"{use.name!r} is set here, and nobody reads it")


def _problem(at: object, why: str) -> Problem:
    place = {field: getattr(at, field) for field in ("path", "line", "column", "name", "cell", "context")}
    return Problem("unread", why, **place)
