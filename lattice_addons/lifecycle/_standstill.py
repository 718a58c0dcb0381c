"""A value that waits for a lock of the interrupted code would wait for ever: it is broken off."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING

from lattice_addons._host import signal_thread, thread_seconds

from ._process import PROCESS
from ._signals import is_ours

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["BrokenOff", "Standstill", "break_off", "raise_if_broken_off"]

# Seconds of processor time between two looks that are more than the looking itself.
_COMPUTING = 0.001


class BrokenOff(BaseException):
    """A snapshot in the main thread is given up; no ``except Exception`` on the way may keep it."""


class Standstill:
    """Sees for how long the main thread has been waiting in code that is not ours, while it makes a save."""

    def __init__(self) -> None:
        self._place: tuple[int, int] | None = None
        self._cpu = 0.0
        self._since = 0.0

    def seconds(self) -> float:
        """Look once more; give how long it stands still so far."""
        ident = threading.main_thread().ident
        frame = sys._current_frames().get(ident or 0)  # noqa: SLF001 - there is no other way
        # In our own code it waits for the disk or for another save, and rightly.
        if ident is None or frame is None or is_ours(frame):
            self._place = None
            return 0.0
        place = id(frame), frame.f_lasti
        # Computing is no standstill, however long it takes.
        cpu = thread_seconds(ident)
        if place != self._place or cpu - self._cpu > _COMPUTING:
            self._place, self._since = place, time.monotonic()
        self._cpu = cpu
        return time.monotonic() - self._since


def break_off(error: BaseException) -> None:
    """Have the main thread raise this where it waits."""
    ident = threading.main_thread().ident
    if PROCESS.tick is not None and ident is not None:
        PROCESS.breaking = error
        PROCESS.tick_expected = True
        # A real signal: waiting for a lock ends for nothing less.
        signal_thread(ident, PROCESS.tick)


def raise_if_broken_off(frame: FrameType | None) -> None:
    """Raise, in the main thread, what another thread wants to be raised there."""
    error, PROCESS.breaking = PROCESS.breaking, None
    if error is not None and frame is not None and not is_ours(frame) and _in_a_save(frame):
        raise error


def _in_a_save(frame: FrameType) -> bool:
    """Say whether the frame runs on behalf of a save, which alone may be broken off."""
    above: FrameType | None = frame
    while above is not None and not is_ours(above):
        above = above.f_back
    return above is not None
