"""Every so often all values are captured at one instant, and written while the program goes on."""

from __future__ import annotations

import _thread
import logging
import signal
import threading
import time
import weakref
from functools import partial
from typing import TYPE_CHECKING, Literal

from ._after_call import after_call
from ._cadence import Cadence, Meter
from ._hold import others_held
from ._process import PROCESS, is_main_thread
from ._saving import mid_element_notes
from ._signals import is_deep, serve
from ._standstill import BrokenOff, Standstill, break_off, raise_if_broken_off
from ._tell import tell
from ._watcher import end_thread, start_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

    from ._process import Saver

__all__ = ["Periodic", "Snapshot", "on_tick", "take_tick"]

log = logging.getLogger("lattice_addons.lifecycle")

# How long the main thread may take to come to a snapshot before it is made without it, in seconds.
_REACTION = 0.1
# How long the main thread waits for one that another thread makes: for ever, if that waits for a lock of the
# program's which the main thread holds.
_BARRIER = 5.0
# How long a value may wait in the main thread, which was interrupted at we know not what, in seconds.
_STANDSTILL = 0.3


class Snapshot:
    """One snapshot that is wanted, made by whichever thread claims it first."""

    def __init__(self, saver: Saver) -> None:
        self.saver = saver
        self.write: Callable[[], None] | None = None
        self.error: BaseException | None = None
        self.put_off = False  # the main thread knows of it, and waits for a section's or an element's end
        self.broken_off = False  # the main thread would have waited for ever
        self.standstill = 0.0  # for how many seconds the main thread made it, or waited for it
        self._claim = _thread.allocate_lock()
        self._made = _thread.allocate_lock()
        self._made.acquire()

    @property
    def claimed(self) -> bool:
        """Whether a thread makes it, or has."""
        return self._claim.locked()

    def make(self, notes: Sequence[str] = ()) -> bool:
        """Make it here, unless another thread does."""
        if not self._claim.acquire(blocking=False):
            return False
        began = time.monotonic()
        try:
            self.write = self.saver.begin_save("periodic", notes)
        except BrokenOff:
            self.broken_off = True
            self._claim.release()
            return False
        # Whatever a value raises is told by the periodic thread, not raised in the middle of the program.
        except BaseException as error:  # noqa: BLE001
            self.error = error
        finally:
            if is_main_thread():
                self.standstill += time.monotonic() - began
        self._made.release()
        return True

    def wait(self, timeout: float) -> bool:
        """Wait until it is made."""
        if self._made.acquire(timeout=timeout):
            self._made.release()
            return True
        return False

    def come_up(self, *, safe: bool = False) -> None:
        """Make it in the main thread if this is a moment for it, else at the next one."""
        gate = self.saver.gate
        if self.broken_off:
            return
        if self.claimed:
            # The barrier: what the other thread captures now must not change. Inside a section or a save it
            # could be waiting for us, and the gate keeps it out anyway; in the middle of a write, too, for the
            # file's lock.
            if not gate.closed_here and self.saver.ready():
                began = time.monotonic()
                self.wait(_BARRIER)
                self.standstill += time.monotonic() - began
        elif gate.closed_here or (gate.main_mid_element and not safe):
            self.put_off = True
            gate.when_open(self.come_up)
        elif not self.saver.ready():
            self.put_off = after_call(self.come_up)
        else:
            with others_held():
                self.make()


def take_tick() -> None:
    """Choose a signal that nobody uses, for our threads to call upon the main thread."""
    if PROCESS.tick is not None or not is_main_thread():
        return
    first, last = getattr(signal, "SIGRTMIN", 0), getattr(signal, "SIGRTMAX", 0)
    for number in range(last - 1, first, -1):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, on_tick)
            PROCESS.tick = number
            return


def on_tick(signum: int, frame: FrameType | None) -> None:
    """Do in the main thread what our threads want of it."""
    if not PROCESS.tick_expected:
        # Sent by somebody who means the program: it dies of it, as it would have.
        signal.signal(signum, signal.SIG_DFL)
        signal.raise_signal(signum)
        return
    PROCESS.tick_expected = False
    if not PROCESS.is_here():
        return
    raise_if_broken_off(frame)
    serve(frame=frame)
    # Near the recursion limit capturing fails; the periodic thread does it by itself.
    if not PROCESS.serving and not is_deep(frame):
        for snapshot in tuple(PROCESS.snapshots):
            snapshot.come_up()


class Periodic:
    """The thread that saves one group every so often."""

    def __init__(self, saver: Saver, interval: float | Literal["auto"]) -> None:
        self.paused = False
        self._saver = weakref.ref(saver)
        self._cadence = Cadence(interval, saver.settings.periodic_saving_overhead)
        self._pause = self._cadence.first
        self._due = time.monotonic() + self._pause
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._told: str | None = None
        self._alone = False  # snapshots are made without the main thread

    def start(self) -> None:
        """Start the thread, or start it again after a fork; what is due then stays due."""
        # Of this thread alone: one that was not let finish in time ends all the same when it is done.
        self._stopping = threading.Event()
        self._thread = start_thread(partial(self._run, self._stopping), "lattice-periodic")

    def stop(self, timeout: float) -> bool:
        """End the thread; a write under way is let finish. Say whether it ended in time."""
        self._stopping.set()
        thread = self._thread
        if thread is None or thread is threading.current_thread():
            return True
        end_thread(thread, timeout)
        return not thread.is_alive()

    def _run(self, stopping: threading.Event) -> None:
        while not stopping.wait(max(self._due - time.monotonic(), 0)):
            saver = self._saver()
            if saver is None:
                return
            # Counted from the start of the last one: a slow store makes saves rarer, never a queue of them. Said
            # before it, for the thread that a fork in the middle of it starts.
            began = time.monotonic()
            self._due = began + self._pause
            if not self.paused:
                cost, took = self._save(saver)
                self._pause = self._cadence.after(cost, took)
                self._due = began + self._pause
                log.debug(
                    "a periodic save cost %.3f s, took %.3f; the next is due after %.1f",
                    cost, took, self._pause,
                )  # fmt: skip
            del saver  # a group that nobody else holds must be able to go

    def _save(self, saver: Saver) -> tuple[float, float]:
        """Save; give how many seconds that cost the program, and how many it took."""
        meter = Meter()
        snapshot = self._snapshot(saver)
        meter.captured(snapshot.standstill)
        error = snapshot.error
        try:
            if snapshot.write is not None:
                snapshot.write()
        # A store that fails now may work again next time; the program is not to be stopped by it.
        except BaseException as failed:  # noqa: BLE001
            error = failed
        text = f"{type(error).__name__}: {error}" if error is not None else None
        if text is not None and text != self._told:
            tell(f"the periodic save failed: {text}")
        self._told = text
        return meter.written()

    def _snapshot(self, saver: Saver) -> Snapshot:
        """Have a snapshot made, by the main thread if it can: nothing changes while it captures."""
        snapshot = Snapshot(saver)
        if self._alone:
            snapshot.make(mid_element_notes(saver))
            return snapshot
        PROCESS.snapshots.append(snapshot)
        try:
            if PROCESS.tick is not None:
                PROCESS.tick_expected = True
                _thread.interrupt_main(PROCESS.tick)  # type: ignore[arg-type]
            self._wait_for_main(snapshot)
            snapshot.make(mid_element_notes(saver))
            self._see_it_made(snapshot)
        finally:
            PROCESS.snapshots.remove(snapshot)
        if snapshot.broken_off:
            # From now on without the main thread: here a value may wait for the program's locks as long as it must.
            self._alone = True
            snapshot.make(mid_element_notes(saver))
        return snapshot

    def _see_it_made(self, snapshot: Snapshot) -> None:
        """Wait for the main thread's snapshot; break it off if it waits for what only the main thread can do."""
        standstill = Standstill()
        while not snapshot.wait(0.02) and not snapshot.broken_off:
            if standstill.seconds() > _STANDSTILL:
                break_off(BrokenOff())
                standstill = Standstill()

    def _wait_for_main(self, snapshot: Snapshot) -> None:
        started = time.monotonic()
        patience = _REACTION
        if snapshot.saver.gate.main_mid_element:
            # Asleep in its element, it may not notice that it is called upon: its next element it notices.
            snapshot.put_off = True
            snapshot.saver.gate.when_open(snapshot.come_up)
        while not snapshot.claimed and not self._stopping.is_set():
            if snapshot.wait(min(0.01, patience)):
                return
            if snapshot.put_off:
                patience = max(PROCESS.grace / 2, _REACTION)
            if time.monotonic() - started > patience:
                return
