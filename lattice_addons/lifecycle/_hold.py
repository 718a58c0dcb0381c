"""While a save is made in the main thread, Ctrl-C and the program's other signals wait."""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lattice_addons._host import block_signals, restore_signals, signals_of

from ._process import PROCESS, is_main_thread

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

__all__ = ["others_held"]

# Sent by the processor for the instruction at hand: they cannot wait.
_FAULTS = signals_of("SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGSYS", "SIGTRAP")


@contextmanager
def others_held(*, drop_ctrl_c: bool = False) -> Iterator[None]:
    """Hold back every signal but ours; they take effect at the end (at exit Python's own Ctrl-C does not)."""
    if not is_main_thread():
        yield
        return
    waiting: list[int] = []
    standing = signal.getsignal(signal.SIGINT)
    deadline = time.monotonic() + PROCESS.grace

    def remember(signum: int, frame: FrameType | None) -> None:
        waiting.append(signum)
        if time.monotonic() > deadline and callable(standing):
            standing(signum, frame)  # the save hangs, and the user wants it to stop

    # The mask alone is not enough: another thread would take the signal, and Python run its handler here.
    if callable(standing):
        signal.signal(signal.SIGINT, remember)
    ours = {*PROCESS.hooks, PROCESS.tick or 0}
    mask = block_signals({number for number in signal.valid_signals() if number not in ours} - _FAULTS)
    try:
        yield
    finally:
        # Unmasked while remember() stands: what waited in the system is counted with the rest.
        restore_signals(mask)
        if callable(standing):
            signal.signal(signal.SIGINT, standing)
        if waiting and not (drop_ctrl_c and standing is signal.default_int_handler):
            signal.raise_signal(signal.SIGINT)
