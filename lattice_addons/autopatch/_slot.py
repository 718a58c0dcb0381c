"""The course of a program is a slot of its own, beside those of its objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from lattice_addons.state import NoValue, StateManager

from ._records import Goal

if TYPE_CHECKING:
    from ._course import Course

__all__ = ["CourseManager"]


class CourseManager(StateManager):
    """Gives where the program is, and gets where an earlier process was."""

    __module__ = "lattice_addons.autopatch"

    #: A group makes its managers itself, so the one course of the process is found here.
    course: ClassVar[Course]
    takes_older = False
    _stored: Any = None

    def capture(self) -> object:
        """Give the course, or, while what was done is passed over, the stored one."""
        if self.course.goal is not None:
            return self._stored
        return self.course.describe()

    def restore(self, stored: object) -> None:
        """Take over where an earlier process was."""
        self._stored = stored

    def value(self) -> Goal | None:
        """Give the stored course, once."""
        if self._stored is None:
            raise NoValue
        return Goal(**self._stored)
