"""A loop that was gone through already gives nothing, and its variables what it had left in them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ._asking import is_loop, is_statement
from ._counting import is_counted
from ._variables import put_back

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from ._course import Course
    from ._loop import Loop
    from ._records import Record

__all__ = ["Passed"]


class Passed:
    """The iterator of a loop that an earlier process went through, or was in when it was saved.

    A ``for`` gets nothing. A program that asks with ``next()`` counts on an answer, and so does what counts batches
    around the loop: they get real batches, with which the program computes in vain.
    """

    def __init__(
        self, course: Course, loader: Any, record: Record, iterate: Callable[[Any], Iterator[Any]]
    ) -> None:
        self.record = record
        self._course = course
        self._loader = loader
        self._iterate = iterate
        self._batches: Iterator[Any] | None = None
        self._given = 0
        self._left = False
        self._goes_on: Loop | None = None

    def __iter__(self) -> Passed:
        """Be an iterator."""
        return self

    def __len__(self) -> int:
        """Give how many batches the loader has."""
        return len(self._loader)

    def __next__(self) -> Any:
        """Give nothing, a batch that counts for nothing, or what is left of the loop."""
        frame = sys._getframe(1)  # noqa: SLF001 - as inspect.currentframe, without the import
        if self._goes_on is None:
            goal = self.is_goal()
            asking = self._course.goal is not None and is_statement(frame)
            asking = asking and not is_counted(self, frame, self._course.counted, goal=goal)
            if self._course.goal is not None and not (goal and (asking or self._given >= self.record.given)):
                return self._pass(frame, asking=asking)
            self.go_on(frame, in_for=is_loop(frame))
        going: Any = self._goes_on
        going.in_for = going.in_for or is_loop(frame)
        return next(going)

    def is_goal(self) -> bool:
        """Say whether the saved program was within this loop."""
        return self._course.is_goal(self.record)

    def go_on(self, frame: FrameType, *, in_for: bool = False) -> None:
        """Give from now on what is left of the loop, if anything is."""
        course = self._course
        self._goes_on = course.enter(self._loader, self.record, frame, in_for=in_for)
        # Those beside it were begun before this one's next batch, and not within its step.
        beside, course.beside = [each() for each in course.beside], []
        for other in beside:
            if other is not None and other is not self and not other.record.over:
                other.go_on(frame)

    def _wants(self, *, asking: bool) -> bool:
        """Say whether a batch is given: to next(), and the one that a program only looked at."""
        return not asking or (self._given == 0 and self.record.given == 1 and not self.record.ended)

    def _pass(self, frame: FrameType, *, asking: bool) -> Any:
        """Give a batch that counts for nothing, or raise StopIteration where the loop had come to its end."""
        if self._wants(asking=asking):
            if self._batches is None:
                self._batches = self._iterate(self._loader)
            for batch in self._batches:
                self._given += 1
                return batch
        self._leave(frame)
        raise StopIteration

    def _leave(self, frame: FrameType) -> None:
        self._left = True
        put_back(frame, self.record.left)
        self._course.passed(self.record)

    def __del__(self) -> None:
        """Take note that it was left before its end, as it was by the earlier process."""
        over = self._left or self._goes_on is not None or self._batches is None
        if not over and not sys.is_finalizing() and self._course.goal is not None and not self.is_goal():
            self._leave(sys._getframe(1))  # noqa: SLF001 - as above
