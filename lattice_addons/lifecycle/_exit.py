"""The last save, when the interpreter ends: after the threads are joined, before anything is torn down."""

from __future__ import annotations

import atexit
import os
import sys
import time

from ._hold import others_held
from ._process import PROCESS
from ._saving import save_all
from ._settling import settle_all
from ._signals import take_effects

__all__ = ["register", "uncaught"]

# After what multiprocessing itself does at the end of a worker.
_LAST = -100
_failed_with: int | None = None


def register() -> None:
    """Have the last save made, once for the process."""
    if PROCESS.at_exit_registered:
        return
    PROCESS.at_exit_registered = True
    # Registered first, so that it runs last.
    for act in (_make_failure_count, save_at_exit):
        atexit.unregister(act)  # the parent's, in a forked child
        atexit.register(act)
    if _ends_without_atexit():
        from multiprocessing.util import Finalize

        Finalize(None, save_at_exit, exitpriority=_LAST)


def _ends_without_atexit() -> bool:
    """Say whether this is a forked worker of multiprocessing, which calls no atexit functions before Python 3.13."""
    process = sys.modules.get("multiprocessing.process")
    if sys.version_info >= (3, 13) or process is None or process.parent_process() is None:
        return False
    return "--multiprocessing-fork" not in sys.orig_argv  # so are those called that were not forked


def save_at_exit() -> None:
    """Stop the periodic saves and save what is there now."""
    here = PROCESS
    deadline = time.monotonic() + here.grace
    saved = False
    while not saved:
        try:
            # A raw os.fork() child that ends by sys.exit comes here, too: it must not save over its parent.
            if not here.is_here():
                return
            here.serving = here.ending = True  # signals are served when the save is done
            if here.watcher is not None:
                here.watcher.wake()
            with others_held(drop_ctrl_c=True):
                _save()
                saved = True
        # Just before the save held it back: dropped, as it is while the save is made.
        except KeyboardInterrupt:
            continue
        finally:
            here.serving = False
    here.ended = True
    came = tuple(here.pending)
    here.pending.clear()
    take_effects(came)
    # Not held back any more: a signal ends the wait, and Ctrl-C does.
    settle_all(deadline)


def _save() -> None:
    global _failed_with  # noqa: PLW0603 - one fact about the process
    here = PROCESS
    savers = [saver for saver in here.living() if saver.settings.atexit_saving]
    for periodic in here.periodic:
        periodic.stop(min(here.grace, 60.0))
    for helper in here.helping():
        if not helper.needed_for_saving:
            helper.stop(min(here.grace, 60.0))
    failure = save_all(savers, *_reason())
    if failure is not None and any(saver.settings.strict for saver in savers):
        _failed_with = getattr(failure, "exit_code", 1)


def uncaught() -> BaseException | None:
    """Give the exception that ends the program; None while it runs, or where it fell off its end."""
    # At a prompt the last error is one that the user has seen and gone on from.
    if hasattr(sys, "ps1") or sys.flags.interactive:
        return None
    error: BaseException | None = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
    return error


def _reason() -> tuple[str, list[str]]:
    """Say whether the program fell off its end or an uncaught exception ended it."""
    error = uncaught()
    return ("exit", []) if error is None else ("exception", [type(error).__name__])


def _make_failure_count() -> None:
    """Make a failed last save the exit status, where that is asked for."""
    if _failed_with is None or not PROCESS.is_here():
        return
    # An exception out of an atexit callback leaves the status 0: only leaving here and now changes it.
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            continue
    os._exit(_failed_with)
