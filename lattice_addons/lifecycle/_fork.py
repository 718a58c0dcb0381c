"""A forked child has none of its parent's hooks, threads or savers."""

from __future__ import annotations

import _thread
import os
import signal

from ._identity import note_fork
from ._process import PROCESS

__all__ = ["register"]

_registered = False
# How long a fork waits for our threads to end, in seconds: a long write of theirs may go on in the parent.
_PATIENCE = 0.5


def register() -> None:
    """Have forks looked after, once for the process and its children."""
    global _registered  # noqa: PLW0603 - os.register_at_fork cannot be undone
    if not _registered:
        _registered = True
        os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)


def _before() -> None:
    """Have no thread of ours while the process forks."""
    # Python 3.12 warns of a fork with threads; a lock that one of them holds would stay locked in the child.
    for thread in (PROCESS.watcher, *PROCESS.periodic):
        if thread is not None:
            thread.stop(_PATIENCE)


def _in_parent() -> None:
    here = PROCESS
    if here.ended:
        return
    if here.tick is None:
        here.start_threads()
    else:
        # Python 3.13 counts the threads after this hook: they are started as soon as os.fork() has returned.
        here.threads_wanted = here.tick_expected = True
        _thread.interrupt_main(here.tick)  # type: ignore[arg-type]


def _in_child() -> None:
    here = PROCESS
    parent, here.pid = here.pid, os.getpid()
    note_fork(parent)
    for signum, hook in here.hooks.items():
        standing: object = signal.getsignal(signum)
        if standing is hook:
            signal.signal(signum, hook.previous)
    if here.tick is not None:
        signal.signal(here.tick, signal.SIG_DFL)
    if here.watcher is not None:
        # The pipe is shared: a byte of the child's would be a signal to the parent.
        here.watcher.drop_wakeup()
        here.watcher.close()
    for saver in here.living():
        saver.gate.after_fork()
    here.forget()
