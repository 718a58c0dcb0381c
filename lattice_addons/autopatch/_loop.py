"""A loop over a loader of which the course takes note."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ._asking import is_loop, is_statement, main_frame, warn_of_expression
from ._records import Record
from ._variables import Variables, put_back

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from ._course import Course

__all__ = ["Loop", "is_watched", "watch"]

_UNDER = "_lattice_under"


class Loop:
    """The iterator that a program gets of its loader."""

    trains = False  # whether an optimizer made a step in it
    asked_at: int | None = None  # the number of steps before the last batch was asked for

    def __init__(self, course: Course, loader: Any, record: Record, *, in_for: bool) -> None:
        self.record = record
        self.in_for = in_for  # whether a `for` asks for its batches
        self.within = False  # a batch is being worked on
        self._course = course
        self._loader = loader
        self._elements: Iterator[Any] = iter(())
        self._variables: Variables | None = None  # until it has begun here

    def start(self, frame: FrameType | None) -> None:
        """Begin, or carry on, once the loader is tracked."""
        self._variables = Variables(frame)
        if self.record.left:
            put_back(frame, self.record.left)
        under = getattr(type(self._loader), _UNDER)
        self._elements = under.__iter__(self._loader)

    @property
    def draws(self) -> bool:
        """Whether its order is drawn from torch's own generator, which others draw from, too."""
        return getattr(self._loader.sampler, "generator", self) is None

    def __iter__(self) -> Loop:
        """Be an iterator."""
        return self

    def __len__(self) -> int:
        """Give how many batches the loader has."""
        return len(self._loader)

    def __next__(self) -> Any:
        """Give the next batch."""
        self.within = False
        frame = sys._getframe(1)  # noqa: SLF001 - as inspect.currentframe, without the import
        self.in_for = self.in_for or is_loop(frame)
        if self.asked_at is None and is_loop(frame) and not is_statement(frame):
            warn_of_expression(frame)
        self._course.next_batch(self)
        try:
            batch = next(self._elements)
        except StopIteration:
            self.record.ended = True
            self.leave(frame)
            raise
        self.record.given += 1
        self.asked_at = self._course.steps
        self.within = True
        return batch

    def described(self) -> list[object]:
        """Give how far it is, and what it has left in variables until now."""
        left = self.record.left
        if self._variables is not None:
            left = self._variables.changed(main_frame())
        return Record(self.record.name, self.record.index, self.record.given - self.within, left=left).plain()

    def __del__(self) -> None:
        """Take note that it was left before its end."""
        # At the end of a process what is needed for it may be gone.
        if not self.record.over and not sys.is_finalizing():
            within = self.within
            self.leave(sys._getframe(1))  # noqa: SLF001 - as above
            # It may be by what ends the program, and then this is where that was.
            self.within, self._elements = within, iter(())
            self._course.broken_off.append(self)

    def leave(self, frame: FrameType | None) -> None:
        """Take note that it is over, and of what it has left in variables."""
        self.within = False
        if self.record.over:
            return
        self.record.over = True
        if self._variables is not None and self._course.is_ours():
            self.record.left = self._variables.changed(frame)
        self._course.ended(self)


def is_watched(loader: object) -> bool:
    """Say whether loops over a loader go through the course already."""
    return hasattr(type(loader), _UNDER)


def watch(loader: Any) -> None:
    """Have each further loop over a tracked loader go through the course."""
    under = type(loader)
    if is_watched(loader):
        return

    def iterate(self: Any) -> Any:
        from ._course import COURSE

        return COURSE.loop(self, under.__iter__)

    names = {
        "__iter__": iterate,
        "__module__": under.__module__,
        "__qualname__": under.__qualname__,
        _UNDER: under,
    }
    loader.__class__ = type(under.__name__, (under,), names)
