"""A thread tidies up beside the saves; at the end of a program the main thread does, for a moment."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
import weakref
from functools import partial
from typing import TYPE_CHECKING

from lattice_addons.errors import LatticeError, StoreError
from lattice_addons.lifecycle import end_thread, look_after, start_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["Tidier"]

_log = logging.getLogger("lattice_addons.checkpoint")
# Turns follow each other no faster, whatever the pace of the saves, and the thread ends when it was idle so long.
_PAUSE, _IDLE = 0.1, 5.0
# How many bytes are deleted or read in a second, about, where deleting is slow.
_PACE = 512 * 1024 * 1024
# How long a program that ends without a last save may take for what its thread has not come to, in seconds.
_AT_EXIT = 0.3
_here: weakref.WeakSet[Tidier] = weakref.WeakSet()


class Tidier:
    """Takes turns at tidying up; ``turn`` makes the steps of one, each of which says how many bytes it is about.

    One turn goes on at a time. Between two steps, and between two turns, the thread holds nothing that it tidies:
    what is forgotten is not tidied up any more.
    """

    needed_for_saving = False

    def __init__(self, turn: weakref.WeakMethod[Callable[..., Iterator[int]]]) -> None:
        self.turns: threading.Lock = threading.Lock()
        self._turn = turn
        self._wanted = False
        self._told = ""
        self._level = logging.WARNING
        # Whoever starts the thread, and the thread when it ends; again by a signal handler within.
        self._starting = threading.RLock()
        self._forget_thread()
        _here.add(self)

    def _forget_thread(self) -> None:
        self._pid = os.getpid()
        self._thread: threading.Thread | None = None
        self._woken = threading.Event()
        self._stopping = threading.Event()

    def soon(self) -> None:
        """Have a turn taken beside what the program does."""
        if self._pid != os.getpid():
            return  # a forked child tidies nothing up
        with self._starting:
            self._wanted = True
            self._woken.set()
            if self._thread is None or not self._thread.is_alive():
                self.start()

    def now(self, seconds: float | None = None, turn: Callable[[], Iterator[int]] | None = None) -> bool:
        """Take a turn in this thread, as far as it gets in this time; say whether it was a whole one.

        ``turn`` is taken in the place of the usual one.
        """
        if self._pid != os.getpid():
            return False
        end = time.monotonic() + (60.0 if seconds is None else seconds)
        self.stop(end - time.monotonic())
        if not self.turns.acquire(timeout=max(end - time.monotonic(), 0.0)):
            return False
        try:
            return self._take(lambda size: seconds is None or time.monotonic() + size / _PACE <= end, turn)
        finally:
            self.turns.release()

    def at_exit(self) -> None:
        """Take a last turn for a moment where one is wanted: a short program ends before its thread wakes."""
        if self._wanted and self._thread is not None:
            # The next start tidies up, too, and tells what it cannot; whoever reads that the last save failed
            # needs no second line.
            self._level = logging.DEBUG
            self.now(_AT_EXIT)

    def finish(self, steps: Iterable[int], action: str) -> None:
        """Take all steps of one turn in this thread; what cannot be done is told, and does no harm."""
        with self.turns:
            try:
                for _ in steps:
                    pass
            except StoreError as error:
                _log.warning("could not %s: %s", action, error)

    def start(self) -> None:
        """Start the thread, if there is something to do; after a fork it goes on where it was."""
        if not self._wanted or self._pid != os.getpid():
            return
        look_after(self)
        self._woken, self._stopping = threading.Event(), threading.Event()
        self._woken.set()
        run = _Run(weakref.ref(self), self._woken, self._stopping)
        try:
            self._thread = start_thread(run, "lattice-tidy")
        except RuntimeError:
            self._thread = None  # the interpreter is at its end: the last save tidies up, or the next start

    def stop(self, timeout: float) -> bool:
        """End the thread between two steps; say whether it ended in time."""
        thread = self._thread
        if thread is None or self._pid != os.getpid() or thread is threading.current_thread():
            return True
        self._stopping.set()
        self._woken.set()
        end_thread(thread, timeout)
        return not thread.is_alive()

    def beside(self, stopping: threading.Event) -> None:
        """Take a turn in the thread, until it is to stop."""
        if self.turns.acquire(blocking=False):
            turn = self._turn()
            try:
                # Only here: at the end of a program nobody looks at what may be on another machine.
                looking = partial(turn, looking=True) if turn is not None else None
                self._take(lambda _size: not stopping.is_set(), looking)
            finally:
                self.turns.release()

    def ends(self, woken: threading.Event) -> bool:
        """Let the thread end that waits for this, unless it was woken meanwhile; the next turn needs another."""
        with self._starting:
            if woken.is_set():
                return False
            if self._thread is threading.current_thread():
                self._thread = None
            return True

    def _take(self, goes_on: Callable[[int], bool], turn: Callable[[], Iterator[int]] | None = None) -> bool:
        turn = turn or self._turn()
        if turn is None:
            return True
        # Before the turn: what is committed meanwhile wants another one.
        self._wanted = False
        told = ""
        try:
            for size in turn():
                if not goes_on(size):
                    self._wanted = True
                    return False
        except LatticeError as error:
            told = str(error)
        # A turn that fails must end neither the thread nor the program: what was saved is safe all the same.
        except Exception as error:  # noqa: BLE001
            told = f"{type(error).__name__}: {error}"
        if told and told != self._told:
            _log.log(self._level, "could not tidy up: %s", told)
        self._told = told
        return not told


class _Run:
    """What the thread does; only within a turn it holds the tidier, and so the line."""

    def __init__(
        self, tidier: weakref.ref[Tidier], woken: threading.Event, stopping: threading.Event
    ) -> None:
        self._tidier = tidier
        self._woken = woken
        self._stopping = stopping

    def __call__(self) -> None:
        """Take turns until nobody wants one for some time."""
        # Asked first: who stopped it in the middle of a turn woke it before it slept.
        while not self._stopping.is_set() and self._is_wanted() and not self._stopping.wait(_PAUSE):
            self._woken.clear()
            tidier = self._tidier()
            if tidier is None:
                return
            tidier.beside(self._stopping)
            del tidier

    def _is_wanted(self) -> bool:
        """Wait until a turn is wanted, or nobody has wanted one for some time."""
        if self._woken.wait(_IDLE):
            return True
        tidier = self._tidier()
        return tidier is not None and not tidier.ends(self._woken)


# Registered after the giving back of leases, and so before it at the end: only who has the lease may delete.
@atexit.register
def _finish_all() -> None:
    for tidier in list(_here):
        tidier.at_exit()
