"""A group is attached to its process: what its settings ask for is installed."""

from __future__ import annotations

import logging
import os
import signal
import threading
import weakref

# Not from signal, whose getsignal makes an enum of every answer: both are asked at each update.
from _signal import getsignal as _standing_at  # type: ignore[import-not-found]
from _thread import get_ident
from time import monotonic
from typing import TYPE_CHECKING

from lattice_addons._host import POSIX, block_signals

from . import _exit, _fork
from ._periodic import Periodic, take_tick
from ._process import PROCESS, is_main_thread, numbers
from ._signals import Hook, give_back, take_effects
from ._standing import why_not_taken
from ._watcher import Watcher

if TYPE_CHECKING:
    from ._process import Saver

__all__ = ["Attachment", "attach"]

log = logging.getLogger("lattice_addons.lifecycle")

_IGNORED = int(signal.SIG_IGN)
# One that nobody can change, where there is one.
_FIXED = int(getattr(signal, "SIGKILL", signal.SIGSEGV))
# After so many glances comes a look, in which the clock says whether it is time for the wakeup descriptor.
_GLANCES = 64


def attach(saver: Saver) -> Attachment:
    """Install what the saver's settings ask for."""
    return Attachment(saver)


class Attachment:
    """What one saver has installed."""

    def __init__(self, saver: Saver) -> None:
        self._pid = os.getpid()
        self._settings = saver.settings
        self._saver = weakref.ref(saver)
        self._signums = numbers(saver.settings)
        self._refused: dict[int, str] = {}
        self._installed = False
        self._wakeup_is_ours = False
        self._main = threading.main_thread().ident
        self._look_again = 0.0
        self._left = self._glances = 0
        self._seen: list[tuple[int, object]] = []
        self._remember()
        if not PROCESS.is_here():
            PROCESS.move_here()  # forked before there was a group, and so without a hook of ours that sees forks
        PROCESS.savers.append(self._saver)
        _fork.register()
        _exit.register()
        self._install()
        self._periodic: Periodic | None = None
        if saver.settings.periodic_saving and saver.settings.periodic_saving_interval:
            take_tick()
            self._periodic = Periodic(saver, saver.settings.periodic_saving_interval)
            PROCESS.periodic.append(self._periodic)
            self._periodic.start()
        for problem in self._obstacles():
            log.warning("%s", problem)

    def _install(self) -> None:
        """Take the signals; only the main thread can."""
        if not is_main_thread():
            return
        self._installed = True
        for signum in self._signums:
            self._take(signum)
        # Where a thread can hear of signals by a pipe.
        if self._signums and POSIX:
            if PROCESS.watcher is None:
                PROCESS.watcher = Watcher()
                PROCESS.watcher.start()
            self._wakeup_is_ours = PROCESS.watcher.take_wakeup()
            take_tick()

    def _take(self, signum: int) -> None:
        """Stand where another handler stands, unless that must stay."""
        standing = signal.getsignal(signum)
        if isinstance(standing, Hook):
            PROCESS.hooks[signum] = standing
            return
        reason = why_not_taken(signum, standing)
        if reason is not None:
            self._refused[signum] = reason
            return
        self._refused.pop(signum, None)
        hook = Hook(signum, standing)
        # Known before it stands: a signal between the two lines finds its hook.
        PROCESS.hooks[signum] = hook
        signal.signal(signum, hook)

    def glance(self) -> None:
        """See that what stood at our signals still stands there, and else `verify`; next to nothing."""
        # Written out, and with the clock and the thread left to `verify`: this is most of what an update costs.
        left = self._left = self._left - 1
        if (
            _standing_at(self._first) is not self._at_first
            or _standing_at(self._second) is not self._at_second
            or _standing_at(self._third) is not self._at_third
            or left < 0
        ):
            self.verify()

    def verify(self) -> None:
        """Take back signals whose handler was replaced since; the main thread's, and cheap."""
        # The main thread is known by number. A child that was forked in another thread has another number here.
        if get_ident() != self._main:
            return
        self._left = self._glances
        if monotonic() > self._look_again or any(_standing_at(n) is not h for n, h in self._seen):
            self._look()

    def _look(self) -> None:
        """Look at each signal, and once in a while at the wakeup descriptor."""
        # A forked child still has its parent's attachments, and must take no signal for them.
        if not self._signums or self._pid != os.getpid():
            self._look_again = float("inf")
            return
        if not self._installed:
            self._install()
        replaced = False
        for signum in self._signums:
            standing = _standing_at(signum)
            if standing is PROCESS.hooks.get(signum) or standing == _IGNORED or self._refused.get(signum):
                continue
            replaced = True
            self._take(signum)
        self._remember()
        now = monotonic()
        if PROCESS.watcher is not None and (replaced or now > self._look_again):
            # asyncio takes the wakeup descriptor over and leaves none behind.
            self._look_again = now + 1
            self._wakeup_is_ours = PROCESS.watcher.take_wakeup()

    def _remember(self) -> None:
        """Note what stands at each signal, three of them apart for `glance`."""
        self._seen = [(signum, _standing_at(signum)) for signum in self._signums]
        three = [*self._seen, *[(_FIXED, _standing_at(_FIXED))] * 3][:3]
        (self._first, self._at_first), (self._second, self._at_second), (self._third, self._at_third) = three
        # With more than three, none is worth a glance.
        self._glances = _GLANCES if len(self._seen) <= len(three) else 0
        self._left = 0

    def problems(self) -> tuple[str, ...]:
        """Say what keeps us from saving on a signal, or in C code."""
        told = self._obstacles()
        if self._installed and PROCESS.watcher is not None and self._signums and not self._wakeup_is_ours:
            told.append("another library watches signals (set_wakeup_fd): none is served while C code runs")
        return tuple(told)

    def _obstacles(self) -> list[str]:
        """Say what keeps us from saving on a signal."""
        if self._signums and not self._installed:
            names = ", ".join(self._signums.values())
            return [f"{names}: not taken outside the main thread; the next update() in it takes them"]
        told = [f"{self._signums[signum]}: {reason}" for signum, reason in self._refused.items() if reason]
        blocked = block_signals(())
        for signum, name in self._signums.items():
            hook = PROCESS.hooks.get(signum)
            if hook is not None and signal.getsignal(signum) is not hook:
                told.append(f"{name}: another handler replaced ours; the next update() chains to it")
            if signum in blocked:
                told.append(f"{name}: blocked in this thread, it arrives when it is unblocked")
        return told

    def pause(self) -> None:
        """Make no periodic saves."""
        if self._periodic is not None:
            self._periodic.paused = True

    def resume(self) -> None:
        """Make periodic saves again."""
        if self._periodic is not None:
            self._periodic.paused = False

    def detach(self) -> None:
        """Take off what was installed for this saver, and with the last one everything."""
        if self._pid != os.getpid():
            return
        if self._saver in PROCESS.savers:
            PROCESS.savers.remove(self._saver)
        if self._periodic in PROCESS.periodic and self._periodic is not None:
            PROCESS.periodic.remove(self._periodic)
            self._periodic.stop(min(self._settings.grace or 60.0, 60.0))
        if not any(PROCESS.living()) and is_main_thread():
            _take_down()


def _take_down() -> None:
    """Leave signals as they were before the first saver."""
    give_back()
    if PROCESS.watcher is not None:
        PROCESS.watcher.drop_wakeup()
        PROCESS.watcher.stop(1)
        PROCESS.watcher.close()
    came = tuple(PROCESS.pending)
    PROCESS.pending.clear()
    try:
        # What waited for the end of a section of the last saver is not lost with it.
        take_effects(came)
    finally:
        PROCESS.forget()
