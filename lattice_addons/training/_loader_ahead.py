"""Who asks for the next batch before the step on the one before is made is told that this is not exact."""

from __future__ import annotations

import functools
import logging
import sys
import threading
from typing import TYPE_CHECKING, Any, Final

from torch.optim import optimizer

from ._loader_around import IS_GENERATOR, asking

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["Watch"]

# Those that wait for the next step.
_OPEN: list[Watch] = []
_log = logging.getLogger("lattice_addons.training")

#: What has been seen of a loop when so many steps were made in it, will not change.
_STEPS: Final = 3


class Watch:
    """Looks at the first batches of a loop: at who asks for them, and when.

    A generator that has asked twice and given nothing between, and an object that asks twice before the first step and
    once before each other, read ahead. So does another thread than the program's.
    """

    def __init__(self, key: str) -> None:
        self.open = True
        self.told = False
        self._key = key
        self._asked = 0
        self._gaps: list[int] = []  # between two steps so many batches were asked for
        self._silent: set[FrameType] = set()  # generators that have given nothing since they asked
        _begin_to_hear()
        _OPEN.append(self)

    def ask(self, frame: FrameType | None) -> None:
        """Take note that a batch is asked for."""
        self._asked += 1
        if threading.current_thread() is not threading.main_thread():
            self._tell(frame, f"thread {threading.current_thread().name!r}")
        elif self._silent:
            self._tell(frame, "a generator")
        elif not self._gaps and self._asked == 1:
            self._trace(frame)

    def close(self) -> None:
        """Look no more."""
        if self.open:
            self.open = False
            _OPEN.remove(self)
            self._trace_no_more()

    def stepped(self) -> None:
        """Take note that a step is made."""
        self._trace_no_more()
        self._gaps.append(self._asked)
        self._asked = 0
        if self._gaps == [2, *[1] * (_STEPS - 1)]:
            self._tell(None, "the program")
        elif len(self._gaps) >= _STEPS:
            self.close()

    def _trace(self, frame: FrameType | None) -> None:
        """See whether the generators that hand this batch on do so before they ask for another."""
        # Only who traces can see that; a debugger that does already is left alone.
        if sys.gettrace() is not None:
            return
        for each in asking(frame):
            if each.f_code.co_flags & IS_GENERATOR:
                self._silent.add(each)
                each.f_trace, each.f_trace_lines = self._see, False
        if self._silent:
            sys.settrace(_see_no_call)

    def _see(self, frame: FrameType, event: str, arg: object) -> Any:
        del arg
        if event == "return":  # also when it yields
            self._silent.discard(frame)
            frame.f_trace = None
            if not self._silent:
                self._trace_no_more()
        return self._see

    def _trace_no_more(self) -> None:
        for frame in self._silent:
            frame.f_trace = None
        self._silent.clear()
        if sys.gettrace() is _see_no_call:
            sys.settrace(None)

    def _tell(self, frame: FrameType | None, who: str) -> None:
        where = "" if frame is None else f" ({frame.f_code.co_filename}:{frame.f_lineno})"
        _log.warning(
            "loader %r: %s asks for the next batch before the step on the one before is made%s. A batch counts as done "
            "when the next is asked for: a program that is stopped between goes on without it. Go through the loader "
            "itself, and let its workers read ahead (num_workers, prefetch_factor)",
            self._key,
            who,
            where,
        )
        self.told = True
        self.close()


@functools.cache
def _begin_to_hear() -> None:
    # For good: torch goes through its hooks while one of them is called, and none may come or go then.
    optimizer.register_optimizer_step_post_hook(_hear)


def _hear(*_: object) -> None:
    for watch in tuple(_OPEN):
        watch.stepped()


def _see_no_call(frame: FrameType, event: str, arg: object) -> None:
    """Trace nothing of the functions that are called meanwhile."""
