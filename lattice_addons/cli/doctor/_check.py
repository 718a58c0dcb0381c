"""A check says in one line what was found, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from lattice_addons.errors import LatticeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["OK", "PROBLEM", "WARNING", "Check", "good", "looked_at", "problem", "warning"]

OK: Final = "ok"
WARNING: Final = "warning"
PROBLEM: Final = "problem"


class Check(NamedTuple):
    """What was looked at, how it is, in words, and what to do."""

    name: str
    state: str
    found: str
    todo: str = ""


def good(name: str, found: str) -> Check:
    """Say that something is as it should be."""
    return Check(name, OK, found)


def warning(name: str, found: str, todo: str) -> Check:
    """Say that something may not be as it was meant."""
    return Check(name, WARNING, found, todo)


def problem(name: str, found: str, todo: str) -> Check:
    """Say that something keeps state from being saved, or from being found again."""
    return Check(name, PROBLEM, found, todo)


def looked_at(name: str, look: Callable[[], Iterable[Check]]) -> Iterator[Check]:
    """Give what a look finds; where it fails itself, that is what it has found."""
    try:
        yield from look()
    except LatticeError as error:
        # An error of ours says what to do.
        yield problem(name, str(error), "see what it says")
    except OSError as error:
        yield problem(name, str(error), "see that this can be read and written")
