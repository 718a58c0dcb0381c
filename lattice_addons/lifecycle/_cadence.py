"""Saves that cost more come less often, so that they take a small share of the run time and no more."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final, Literal

from lattice_addons._host import other_thread_seconds

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Cadence", "Meter"]

#: What the names of the threads begin with that this package starts.
_OURS: Final = "lattice-"
_SHORTEST, _LONGEST = 1.0, 3600.0
# The first one comes before anything is known of what it costs: soon, as there is nothing to go back to yet.
_FIRST = 3.0
# Of the time, how much may pass between the beginning and the end of saves, however little they cost: the disk
# is the program's, too.
_BUSY = 0.5


class Cadence:
    """When the next periodic save is due: at an interval that is given, or as often as a share allows.

    A save that cost so much is followed by so long a time that it is at most this share of it; thus the sum of what
    all cost stays under the share of the run time. One that was dearer than the last holds for two turns: what
    happens once is likely to happen again.
    """

    def __init__(self, interval: float | Literal["auto"], share: float) -> None:
        self._interval = None if isinstance(interval, str) else interval
        self._share = share
        self._last = 0.0

    @property
    def first(self) -> float:
        """How many seconds after the start the first save is due."""
        return _FIRST if self._interval is None else self._interval

    def after(self, cost: float, took: float) -> float:
        """Give how many seconds after its beginning the next save is due, when one cost and took so many seconds."""
        dearest = max(cost, self._last)
        self._last = cost
        if self._interval is not None:
            return self._interval
        return min(max(dearest / self._share, took / _BUSY, _SHORTEST), _LONGEST)


class Meter:
    """What one save costs the program, measured while it is made.

    While the snapshot is made, the program stands still, or our threads take its processor: whichever is more.
    While it is written, they take its processor. On a machine with a core to spare that costs less than is said here.
    """

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._processor = _Processor()
        self._cost = 0.0

    def captured(self, standstill: float) -> None:
        """Say that the snapshot is made, and for how many seconds the main thread stood still for it."""
        self._cost = max(standstill, self._processor.since())

    def written(self) -> tuple[float, float]:
        """Give how many seconds the whole cost, and how many it took."""
        return self._cost + self._processor.since(), time.monotonic() - self._begun


class _Processor:
    """The processor time of this package's threads."""

    def __init__(self) -> None:
        self._seen = _times(threading.enumerate())

    def since(self) -> float:
        """Give how many seconds they have taken since this was asked last."""
        before, self._seen = self._seen, _times(threading.enumerate())
        return sum(seconds - before.get(thread, 0.0) for thread, seconds in self._seen.items())


def _times(threads: Iterable[threading.Thread]) -> dict[threading.Thread, float]:
    here = threading.current_thread()
    times = {here: time.thread_time()}
    for thread in threads:
        if thread.name.startswith(_OURS) and thread.native_id is not None and thread is not here:
            seconds = other_thread_seconds(thread.native_id)
            if seconds is not None:
                times[thread] = seconds
    return times
