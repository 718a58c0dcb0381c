"""A loop that was gone through already gives nothing, and its variables what it had left in them."""

from __future__ import annotations

import builtins
import sys
from typing import TYPE_CHECKING, Any

from ._asking import is_loop, is_statement
from ._variables import put_back

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from ._course import Course
    from ._loop import Loop
    from ._records import Record

__all__ = ["Counted", "Passed"]


class Passed:
    """The iterator of a loop that an earlier process went through, or was in when it was saved.

    A ``for`` gets nothing. A program that asks with ``next()`` counts on an answer: it gets real batches, with which
    it computes in vain.
    """

    def __init__(
        self, course: Course, loader: Any, record: Record, iterate: Callable[[Any], Iterator[Any]]
    ) -> None:
        self._course = course
        self._loader = loader
        self._record = record
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
        if self._goes_on is None:
            frame = sys._getframe(1)  # noqa: SLF001 - as inspect.currentframe, without the import
            asking = is_statement(frame)
            if self._course.goal is None or (
                self._is_goal() and (asking or self._given >= self._record.given)
            ):
                self._goes_on = self._course.go_on(self._loader, self._record, frame)
                self._goes_on.in_for = is_loop(frame)
            else:
                return self._pass(frame, asking=asking)
        return next(self._goes_on)

    def _is_goal(self) -> bool:
        return self._course.is_goal(self._record)

    def _wants(self, *, asking: bool) -> bool:
        """Say whether a batch is given: to next(), and the one that a program only looked at."""
        return not asking or (self._given == 0 and self._record.given == 1 and not self._record.ended)

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
        put_back(frame, self._record.left)
        self._course.passed(self._record)

    def __del__(self) -> None:
        """Take note that it was left before its end, as it was by the earlier process."""
        over = self._left or self._goes_on is not None or self._batches is None
        if not over and not sys.is_finalizing() and self._course.goal is not None and not self._is_goal():
            self._leave(sys._getframe(1))  # noqa: SLF001 - as above


class Counted(enumerate):  # type: ignore[type-arg]
    """Counts on where the saved program's loop was, while what was done is passed over."""

    course: Course | None = None

    def __new__(cls, iterable: Any, start: int = 0) -> Any:
        """Make what ``enumerate`` makes, from a later number for the loop in which the saved program was."""
        # What shows progress has what it goes through as its `iterable`.
        loader = getattr(iterable, "iterable", iterable)
        ahead = 0 if cls.course is None else cls.course.given_ahead(loader)
        return _ENUMERATE(iterable, start + ahead)

    @classmethod
    def put_on(cls, course: Course) -> None:
        """Stand where ``enumerate`` stood."""
        cls.course = course
        builtins.enumerate = cls  # type: ignore[misc]

    @classmethod
    def take_off(cls) -> None:
        """Let ``enumerate`` stand there again."""
        cls.course = None
        if builtins.enumerate is cls:
            builtins.enumerate = _ENUMERATE  # type: ignore[misc]


_ENUMERATE = enumerate
