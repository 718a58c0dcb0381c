"""Which setting this thread runs now, for who is called from within its ``run``."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lattice_addons.state import StateManagerGroup

    from ._course import Course
    from ._pool import Task

__all__ = ["Running", "current", "running"]


@dataclass
class Running:
    """A task in its worker."""

    course: Course
    task: Task
    rank: int
    #: Made when the run first asks for it.
    state: StateManagerGroup | None = None


_current: ContextVar[Running | None] = ContextVar("lattice_running", default=None)


def current() -> Running | None:
    """Give what a worker runs in this thread; None where a setting is run by hand."""
    return _current.get()


@contextmanager
def running(what: Running) -> Iterator[None]:
    """Run a task in a block."""
    token = _current.set(what)
    try:
        yield
    finally:
        _current.reset(token)
