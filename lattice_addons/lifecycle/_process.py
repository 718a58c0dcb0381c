"""All that this process has once: who is attached, which signals are taken, what waits to be served."""

from __future__ import annotations

import _thread
import os
import signal
import threading
import weakref
from typing import TYPE_CHECKING, Protocol

from lattice_addons._signalled import PENDING

from ._interpreter import only_in_the_main_one

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lattice_addons.settings import Settings

    from ._gate import Gate
    from ._periodic import Periodic, Snapshot
    from ._signals import Hook
    from ._watcher import Watcher

__all__ = ["PROCESS", "Helper", "Process", "Saver", "look_after"]


class Saver(Protocol):
    """What a group gives to lifecycle."""

    settings: Settings
    gate: Gate

    def ready(self) -> bool:
        """Say whether every value can be captured now, in the middle of whatever the main thread is doing."""

    def save_now(self, reason: str, notes: Sequence[str] = ()) -> None:
        """Save; all is on disk when this returns."""

    def begin_save(self, reason: str, notes: Sequence[str] = ()) -> Callable[[], None]:
        """Take the snapshot; what is returned writes it."""

    def refused(self, reason: str, error: Exception, /) -> None:
        """Be told that there was no save at all, for a reason of lifecycle's."""

    def settle(self, seconds: float, tell: Callable[[str], None]) -> str | None:
        """Wait until what was saved is where it must go; else say what is not, and what to do."""


class Helper(Protocol):
    """Threads of ours that work for savers, and may be stopped at any time.

    Those that are not ``needed_for_saving`` are stopped before the last save.
    """

    needed_for_saving: bool

    def start(self) -> None:
        """Start it, or start it again after a fork, if there is something to do."""

    def stop(self, timeout: float) -> bool:
        """End it; say whether it ended in time."""


class Process:
    """The hooks of this process, shared by all savers."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.at_exit_registered = False
        self.forget()

    def move_here(self) -> None:
        """Begin anew in a process that was forked."""
        self.pid = os.getpid()
        # What its parent has registered may be there or not: workers of multiprocessing drop it.
        self.at_exit_registered = False
        self.forget()

    def forget(self) -> None:
        """Begin anew: nobody is attached, nothing is taken."""
        # Weak: how long a group is there, say those who made it, and not its hooks.
        self.savers: list[weakref.ref[Saver]] = []
        self.hooks: dict[int, Hook] = {}
        self.pending: dict[int, float] = PENDING
        self.pending.clear()
        # Signals whose previous handler is being called, with the hook that calls it.
        self.effects: dict[int, Hook] = {}
        # When a handler of ours last began, by signal: the watcher sees by it whether the main thread reacts.
        self.answered: dict[int, float] = {}
        self.serving = False
        self.ending = False  # the save at exit is made
        self.ended = False  # the save at exit is done: nothing changes any more
        self.settling: int | None = None  # the thread that waits for what must go elsewhere before the end
        self.masks: dict[int, set[int | signal.Signals]] = {}  # of the threads that are forking
        self.watcher: Watcher | None = None
        self.periodic: list[Periodic] = []
        self.helpers: list[weakref.ref[Helper]] = []
        self.tick: int | None = None  # the signal by which our threads call upon the main thread
        self.tick_expected = False
        self.breaking: BaseException | None = None  # to be raised in the main thread, where it waits
        self.snapshots: list[Snapshot] = []  # wanted from the main thread

    def start_threads(self) -> None:
        """Start the threads of ours again, after a fork."""
        for thread in (self.watcher, *self.periodic, *self.helping()):
            try:
                if thread is not None:
                    thread.start()
            except RuntimeError:
                return  # the interpreter is ending: no thread can be started, and none is needed

    def living(self) -> Iterator[Saver]:
        """Go through the savers that are still there."""
        for reference in tuple(self.savers):
            saver = reference()
            if saver is None:
                self.savers.remove(reference)
            else:
                yield saver

    def helping(self) -> Iterator[Helper]:
        """Go through the helpers that are still there."""
        for reference in tuple(self.helpers):
            helper = reference()
            if helper is None:
                self.helpers.remove(reference)
            else:
                yield helper

    def wanting(self, signum: int) -> list[Saver]:
        """Give the savers whose settings name this signal."""
        return [saver for saver in self.living() if signum in numbers(saver.settings)]

    @property
    def grace(self) -> float:
        """The shortest time that any saver has for a save at a signal, in seconds; infinite for no limit."""
        return min((saver.settings.grace or float("inf") for saver in self.living()), default=float("inf"))

    def is_here(self) -> bool:
        """Say whether this is the process that made the hooks, not a child that skipped our fork hook."""
        return self.pid == os.getpid()


def numbers(settings: Settings) -> dict[int, str]:
    """Give the signals that the settings name, by number."""
    known = {name: getattr(signal, name, None) for name in settings.signals}
    return {int(number): name for name, number in known.items() if number is not None}


def is_main_thread() -> bool:
    """Say whether this is the thread in which Python runs signal handlers."""
    return _thread.get_ident() == threading.main_thread().ident


only_in_the_main_one()
PROCESS = Process()


def look_after(helper: Helper) -> None:
    """Have threads stopped before a fork, and perhaps before the last save, and started again after the fork."""
    reference = weakref.ref(helper)
    if reference not in PROCESS.helpers:
        PROCESS.helpers.append(reference)
