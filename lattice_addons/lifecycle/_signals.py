"""Saves on a signal, then lets the signal take effect."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

from lattice_addons._host import block_signals, signals_of

from ._after_call import after_call
from ._hold import others_held
from ._process import PROCESS, is_main_thread
from ._saving import save_all
from ._settling import settle_all
from ._tell import tell

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FrameType, TracebackType

    from ._gate import Gate

__all__ = [
    "Hook",
    "give_back",
    "is_deep",
    "is_ending",
    "is_ours",
    "is_waiting",
    "overdue",
    "serve",
    "take_effects",
]

# What a signal does by default that does not end the process: after it we go on.
_HARMLESS = signals_of("SIGCHLD", "SIGURG", "SIGWINCH", "SIGCONT")
_STOPPING = signals_of("SIGTSTP", "SIGTTIN", "SIGTTOU")


class Hook:
    """Stands where another handler stood, and calls it after the save."""

    __slots__ = ("previous", "signum")

    def __init__(self, signum: int, previous: Any) -> None:  # noqa: ANN401 - as signal.getsignal gives it
        self.signum = signum
        self.previous = previous

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        """Save, then do what would have been done without us."""
        here = PROCESS
        outer = here.effects.get(signum)
        if signum not in here.hooks or not here.is_here() or (outer is not None and outer is not self):
            # Nobody is attached any more, as in a forked child; or a handler of the user's that replaced us,
            # was chained to in its turn, and now calls us as the one that was there before it.
            self.take_effect(frame)
            return
        if here.settling is not None and self.previous == signal.SIG_DFL:
            # Saved already, and waiting for what is sent: who signals again does not want to wait.
            self.take_effect(frame)
            return
        # The program may have put back a hook that stood here earlier, as uvicorn does: that one counts.
        here.hooks[signum] = self
        # Recorded first, by one call: whatever fails below (no stack left), the watcher takes it from here.
        here.pending.setdefault(signum, time.monotonic())
        here.answered[signum] = time.monotonic()
        try:
            serve(frame=frame)
        except RecursionError:
            # Only ours is swallowed: the user's handler is called with the frames that its save did not need.
            if signum not in here.pending:
                raise
        except BaseException as error:
            # The program's own handler raised: its traceback is to be read as if we were not there. (On 3.10
            # this frame stays: a bare raise takes the traceback as it was.)
            error.__traceback__ = _without_us(error.__traceback__)
            raise

    def take_effect(self, frame: FrameType | None) -> None:
        """Do what stood here before."""
        previous = self.previous
        if previous == signal.SIG_DFL:
            self._default()
        elif callable(previous):
            outer = PROCESS.effects.get(self.signum)
            PROCESS.effects[self.signum] = self
            try:
                previous(self.signum, frame)
            finally:
                if outer is None:
                    del PROCESS.effects[self.signum]
                else:
                    PROCESS.effects[self.signum] = outer

    def _default(self) -> None:
        """Let the signal do what it does without a handler, so that the wait status is true."""
        if self.signum in _HARMLESS:
            return
        if self.signum not in _STOPPING:
            settle_all(PROCESS.answered.get(self.signum, time.monotonic()) + PROCESS.grace)
        if os.getpid() == 1 and self.signum not in _STOPPING:
            # The default action does nothing to process 1: without this a container would be killed later.
            os._exit(128 + self.signum)
        standing = signal.getsignal(self.signum)
        signal.signal(self.signum, signal.SIG_DFL)
        os.kill(os.getpid(), self.signum)
        if self.signum in block_signals(()):
            time.sleep(0.2)  # blocked in this thread: another one dies of it, and takes us along
        # Still here: stopped and continued.
        signal.signal(self.signum, standing)


def give_back() -> None:
    """Leave signals as they were before we took them; one that the program has taken since stays its own."""
    for signum, hook in PROCESS.hooks.items():
        standing: object = signal.getsignal(signum)
        if standing is hook:
            signal.signal(signum, hook.previous)
    if PROCESS.tick is not None:
        signal.signal(PROCESS.tick, signal.SIG_DFL)


def is_deep(frame: FrameType | None) -> bool:
    """Say whether so much of the stack is used that a save might not fit."""
    depth, limit = 0, sys.getrecursionlimit() // 2
    while frame is not None and depth <= limit:
        depth += 1
        frame = frame.f_back
    return depth > limit


def serve(*, safe: bool = False, frame: FrameType | None = None) -> None:
    """Serve what is pending, if this is a moment for it; main thread only."""
    here = PROCESS
    if here.serving or not here.pending or not is_main_thread() or not here.is_here():
        return  # a save is being made: it ends by looking at what is pending
    if _must_wait(safe=safe):
        return
    here.serving = True
    covered: dict[int, None] = {}
    try:
        _save_pending(frame or sys._getframe())  # noqa: SLF001 - as inspect.currentframe, without the import
    finally:
        # What came during the save is covered by it: the main thread has changed nothing since.
        while here.pending:
            covered[here.pending.popitem()[0]] = None
        here.serving = False
        # Also when the save was broken off (a Ctrl-C before its first line): the signal must not be lost.
        take_effects(covered, frame)


def take_effects(signums: Iterable[int], frame: FrameType | None = None) -> None:
    """Let signals that are saved for take effect; serve what came in the meantime."""
    try:
        for signum in signums:
            hook = PROCESS.hooks.get(signum)
            if hook is not None:
                hook.take_effect(frame or _outside())
    finally:
        if PROCESS.pending:  # came between the two lines that end the save
            serve(frame=frame)


def overdue() -> bool:
    """Say whether something waits for so long that it cannot wait for a safe point."""
    return any(time.monotonic() - since >= PROCESS.grace / 2 for since in PROCESS.pending.values())


def is_ending() -> bool:
    """Say whether a signal that ends programs came: its default would have, and the program's handler may yet."""
    return any(signum not in _HARMLESS and signum not in _STOPPING for signum in PROCESS.answered)


def is_waiting() -> bool:
    """Say whether a signal came that waits for a safe point."""
    return bool(PROCESS.pending)


def _must_wait(*, safe: bool) -> bool:
    """Put serving off to the end of a section, a save or an element, if the main thread is inside one."""
    gates: list[Gate] = [saver.gate for saver in PROCESS.living()]
    for gate in gates:
        if gate.closed_here:
            gate.when_open(serve)
            return True
    if not overdue() and not all(saver.ready() for saver in PROCESS.living()):
        if not after_call(serve) and PROCESS.watcher is not None:
            PROCESS.watcher.wake()
        return True
    looping = [gate for gate in gates if gate.main_mid_element]
    if not looping or safe or overdue():
        return False
    for gate in looping:
        gate.when_open(serve)
    if PROCESS.watcher is not None:
        PROCESS.watcher.wake()
    return True


def _save_pending(frame: FrameType) -> None:
    """Make one save for all that is pending."""
    here = PROCESS
    if here.ended:
        return
    signums = tuple(here.pending)
    savers = {id(saver): saver for signum in signums for saver in here.wanting(signum)}
    reason = f"signal:{signal.Signals(signums[0]).name}"

    def save() -> None:
        save_all(savers.values(), reason)

    with others_held():
        # Near the recursion limit pickling fails: the watcher has a stack of its own.
        if is_deep(frame) and here.watcher is not None and here.watcher.is_alive():
            if not here.watcher.do(save, here.grace):
                tell(
                    f"the save ({reason}) is not finished after {here.grace:g} s; the last checkpoint stands"
                )
        else:
            save()


def is_ours(frame: FrameType) -> bool:
    """Say whether a frame is of this package."""
    package = __name__.partition(".")[0]
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] == package


def _without_us(trace: TracebackType | None) -> TracebackType | None:
    """Drop the frames of ours with which a traceback begins."""
    while trace is not None and is_ours(trace.tb_frame):
        trace = trace.tb_next
    return trace


def _outside() -> FrameType | None:
    """Find the program's own frame: the one that a handler is shown."""
    frame: FrameType | None = sys._getframe()  # noqa: SLF001 - as inspect.currentframe, without the import
    while frame is not None and is_ours(frame):
        frame = frame.f_back
    return frame
