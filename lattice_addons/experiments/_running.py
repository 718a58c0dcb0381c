"""What a worker knows of the setting that it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lattice_addons.state import StateManagerGroup

    from ._course import Course
    from ._pool import Task

__all__ = ["Running"]


@dataclass
class Running:
    """A task in its worker."""

    course: Course
    task: Task
    rank: int
    #: Made when the run first asks for it.
    state: StateManagerGroup | None = None
