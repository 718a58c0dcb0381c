"""A thread that sees signals arrive though the main thread cannot: it saves when nobody else does."""

from __future__ import annotations

import _thread
import os
import signal
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

from lattice_addons._host import block_signals, restore_signals, signal_thread, wait_readable
from lattice_addons.errors import EncodeError

from ._process import PROCESS
from ._saving import save_all
from ._settling import settle_all
from ._signals import overdue
from ._standstill import Standstill, break_off
from ._tell import tell

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Watcher", "end_thread", "start_thread"]

_WAKE = b"\0"


def start_thread(run: Callable[[], None], name: str) -> threading.Thread:
    """Start a daemon thread that takes no signals: they go to the main thread, as they would without it."""
    thread = threading.Thread(target=run, name=name, daemon=True)
    # Blocked around the start: the mask is inherited, and a signal may come before the thread's first line.
    mask = block_signals(signal.valid_signals())
    try:
        thread.start()
    finally:
        restore_signals(mask)
    return thread


def end_thread(thread: threading.Thread, timeout: float) -> None:
    """Wait until a thread has ended for the system, too: join() returns a little earlier."""
    deadline = time.monotonic() + timeout
    thread.join(timeout)
    if thread.is_alive():
        return
    while os.path.exists(f"/proc/self/task/{thread.native_id}") and time.monotonic() < deadline:
        time.sleep(0.0002)


class Watcher:
    """Reads the numbers of signals from the wakeup descriptor, as the system's handler writes them."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        for end in (self._read, self._write):
            os.set_blocking(end, False)
        self._came: dict[int, tuple[float, float]] = {}  # signal: not before, not after
        self._saved_for: set[int] = set()
        self._told = False
        self._standstill = Standstill()
        self._jobs: list[tuple[Callable[[], None], _thread.LockType]] = []
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    # -- from the main thread

    def start(self) -> None:
        """Start the thread, or start it again after a fork."""
        # Of this thread alone: one that was not let finish in time ends all the same when it is done.
        self._stopping = threading.Event()
        self._thread = start_thread(partial(self._run, self._stopping), "lattice-watcher")

    def stop(self, timeout: float) -> None:
        """End the thread, before a fork; what it is doing is let finish if it does not take longer."""
        self._stopping.set()
        self.wake()
        if self._thread is not None and self._thread is not threading.current_thread():
            end_thread(self._thread, timeout)

    def is_alive(self) -> bool:
        """Say whether the thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def close(self) -> None:
        """Give the descriptors back; in a forked child the pipe is the parent's, too."""
        if self.is_alive():
            return  # not let finish in time: it would read from the file that gets the number next
        os.close(self._read)
        os.close(self._write)

    def take_wakeup(self) -> bool:
        """Have signals reported to us, unless they are to somebody else (asyncio, gunicorn)."""
        other = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        if other in (-1, self._write):
            return True
        # Left alone: were bytes forwarded to it, one could go to a file that got its number later.
        signal.set_wakeup_fd(other)
        return False

    def drop_wakeup(self) -> None:
        """Take our descriptor off, if it is ours that stands."""
        other = signal.set_wakeup_fd(-1)
        if other not in (-1, self._write):
            signal.set_wakeup_fd(other)

    def wake(self) -> None:
        """Have the thread look at what is pending."""
        try:
            os.write(self._write, _WAKE)
        except BlockingIOError:
            return  # the pipe is full: it is awake

    def do(self, job: Callable[[], None], timeout: float) -> bool:
        """Have something done on the thread's own stack; say whether it was done in time."""
        done = _thread.allocate_lock()
        done.acquire()
        self._jobs.append((job, done))
        self.wake()
        return done.acquire(timeout=min(timeout, 1e6))

    # -- the thread

    def _run(self, stopping: threading.Event) -> None:
        while not stopping.is_set():
            empty_at = time.monotonic()
            wait_readable(self._read, self._pause())
            try:
                arrived = os.read(self._read, 4096)
            except BlockingIOError:
                arrived = b""
            for signum in set(arrived) & set(PROCESS.hooks):
                self._came.setdefault(signum, (empty_at, time.monotonic()))
            try:
                self._look()
            # One failure must not end the watch; what can fail here tells of it itself.
            except Exception as error:  # noqa: BLE001
                tell(f"watching for signals: {type(error).__name__}: {error}")

    def _look(self) -> None:
        while self._jobs:
            job, done = self._jobs.pop(0)
            try:
                job()
            finally:
                done.release()
        for signum in tuple(self._came):
            self._look_after(signum)
        if PROCESS.serving:
            self._watch_the_save()
        elif PROCESS.pending and overdue():
            self._press()

    def _watch_the_save(self) -> None:
        """Break off a value that waits for a lock of the code that the signal interrupted."""
        # At exit nothing is interrupted: there only what would take all of the grace is taken for stuck.
        if self._standstill.seconds() > PROCESS.grace / (2 if PROCESS.ending else 8):
            text = "the value could not be had: it waits, perhaps for a lock that the interrupted code holds"
            break_off(EncodeError(text))
            self._standstill = Standstill()

    def _pause(self) -> float | None:
        """Say how long the thread may sleep."""
        if self._came:
            return 0.02
        if PROCESS.serving:
            return 0.05
        if PROCESS.pending:
            since = min(PROCESS.pending.values(), default=0.0)
            return min(max(since + PROCESS.grace / 2 - time.monotonic(), 0.05), 1e6)
        return None

    @property
    def patience(self) -> float:
        """How long the main thread may take to answer, in seconds."""
        return min(1.0, PROCESS.grace / 10)

    def _look_after(self, signum: int) -> None:
        """See whether a signal that arrived is being served, and save if it is not."""
        earliest, latest = self._came[signum]
        hook = PROCESS.hooks.get(signum)
        replaced = signal.getsignal(signum) is not hook
        waited = time.monotonic() - latest
        if hook is None or PROCESS.ended or PROCESS.answered.get(signum, 0.0) >= earliest:
            self._forget(signum)
        elif signum not in self._saved_for and (replaced or waited >= self.patience):
            # Either the program replaced our handler, or the main thread is in C code that gave the
            # interpreter to others. Once saved, the main thread may still come back and do better.
            self._saved_for.add(signum)
            note = "handler replaced" if replaced else "main thread busy in C code"
            save_all(PROCESS.wanting(signum), f"signal:{signal.Signals(signum).name}", [note], self.patience)
        elif signum in self._saved_for:
            if replaced:
                self._forget(signum)
            elif waited >= PROCESS.grace / 2:
                self._forget(signum)
                _end(signum)
            elif waited < self.patience * 4:
                # Once more, in case the call of our handler itself failed (no stack left).
                _thread.interrupt_main(signal.Signals(signum))

    def _forget(self, signum: int) -> None:
        self._came.pop(signum, None)
        self._saved_for.discard(signum)

    def _press(self) -> None:
        """Make the main thread serve what waited too long for a safe point."""
        main = threading.main_thread()
        asked = time.monotonic()
        if PROCESS.tick is not None and main.ident is not None:
            PROCESS.tick_expected = True
            # A real signal, so that a sleep or a read ends, which a simulated one does not do.
            signal_thread(main.ident, PROCESS.tick)
        while PROCESS.pending and not PROCESS.serving and time.monotonic() - asked < self.patience:
            time.sleep(0.01)
        if not PROCESS.pending or PROCESS.serving:
            return
        stuck = [saver for saver in PROCESS.living() if saver.gate.saves == 0]
        if not self._told:
            self._told = True
            signums = tuple(PROCESS.pending)
            save_all(stuck, f"signal:{signal.Signals(signums[0]).name}", ["main thread busy"], self.patience)
        time.sleep(0.2)


def _end(signum: int) -> None:
    """Let the default action end the process whose main thread does not come back."""
    hook = PROCESS.hooks.get(signum)
    if hook is None or hook.previous != signal.SIG_DFL or PROCESS.serving:
        return
    settle_all(time.monotonic() + PROCESS.grace / 2)
    if os.getpid() == 1:
        os._exit(128 + signum)
    try:
        import ctypes

        ctypes.CDLL(None).signal(signum, None)
    except (ImportError, OSError, AttributeError):
        return
    os.kill(os.getpid(), signum)
