"""A signal that ends programs is to a runner as Ctrl-C: it says what came of all, and then the signal takes effect."""

from __future__ import annotations

import gc
import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lattice_addons._host import signals_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

__all__ = ["Stopped", "stoppable", "why_stopped"]

_SIGNALS = signals_of("SIGTERM", "SIGHUP")


class Stopped(KeyboardInterrupt):
    """A signal came; raised in the main thread, past everything that lets a Ctrl-C pass."""


def why_stopped(error: BaseException | None) -> str:
    """Say what broke a runner off; nothing where it came to its end."""
    if error is None:
        return ""
    if isinstance(error, Stopped):
        return str(error)
    return "Ctrl-C" if isinstance(error, KeyboardInterrupt) else "an error"


@contextmanager
def stoppable() -> Iterator[None]:
    """Let signals that would end this process at once end the block first; a program's own handlers stay."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    hooks = [_Hook(signum, came) for signum in _SIGNALS if _is_free(signal.getsignal(signum))]
    try:
        yield
    finally:
        for hook in hooks:
            hook.leave()
        if came:
            # What goes without Python's end takes its semaphores along only if nobody holds them.
            gc.collect()
            os.kill(os.getpid(), came[0])


def _is_free(standing: Any) -> bool:
    """Say whether a handler is the system's, or that of Lattice, which saves and then does as the system."""
    return standing == signal.SIG_DFL or type(standing).__module__.partition(".")[0] == "lattice_addons"


class _Hook:
    """Stands where another handler stood; the second signal goes to that one at once."""

    def __init__(self, signum: int, came: list[int]) -> None:
        self._signum, self._came = signum, came
        self._previous: Any = signal.signal(signum, self)
        self._active = True

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        if self._active and not self._came:
            # It stays here until the block has ended: were the one of Lattice put back, the thread that watches over
            # it would find that it has not answered, and have it called.
            self._came.append(signum)
            raise Stopped(signal.Signals(signum).name)
        # Somebody who stands in front of it calls it still.
        if callable(self._previous):
            self._previous(signum, frame)
        else:
            signal.signal(signum, signal.SIG_DFL)
            os.kill(os.getpid(), signum)

    def leave(self) -> None:
        """Put back what stood here, unless somebody else has come to stand in front."""
        self._active = False
        standing: object = signal.getsignal(self._signum)
        if standing is self:
            signal.signal(self._signum, self._previous)
