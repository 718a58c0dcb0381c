"""A signal that ends a whole job ends a loader's workers first; the step at hand is finished all the same."""

from __future__ import annotations

import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

from lattice_addons.lifecycle import is_waiting

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["hold_back_deaths"]


class _Quiet:
    """Stands where torch's handler stood, which raises in the middle of the step when a worker is dead."""

    def __init__(self, standing: Any) -> None:
        self._standing = standing

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        # Python calls handlers in the order of their numbers: of a signal to all of the job we know already.
        if not is_waiting():
            self._standing(signum, frame)


def hold_back_deaths() -> None:
    """Let no worker's death come in between while a signal waits for the end of a step."""
    if threading.current_thread() is not threading.main_thread():
        return
    if sys.platform == "win32":
        return  # its workers die without a signal
    standing = signal.getsignal(signal.SIGCHLD)
    if callable(standing) and not isinstance(standing, _Quiet):
        signal.signal(signal.SIGCHLD, _Quiet(standing))
