"""A forked child has none of its parent's hooks, threads or savers."""

from __future__ import annotations

import _thread
import sys
from typing import TYPE_CHECKING

from lattice_addons._host import at_fork, block_signals, restore_signals

from ._identity import note_fork
from ._process import PROCESS, is_main_thread
from ._signals import give_back

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["register"]

_registered = False
# How long a fork waits for our threads to end, in seconds: a long write of theirs may go on in the parent.
_PATIENCE = 0.5


def register() -> None:
    """Have forks looked after, once for the process and its children."""
    global _registered  # noqa: PLW0603 - os.register_at_fork cannot be undone
    if not _registered:
        _registered = True
        at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)


def _before() -> None:
    """Have no thread of ours while the process forks, and no signal of ours come in the middle of it."""
    # Python drops what arrives in a child before its hooks have run: a worker that is terminated then, lives on.
    PROCESS.masks[_thread.get_ident()] = block_signals(PROCESS.hooks)
    # Python 3.12 warns of a fork with threads; a lock that one of them holds would stay locked in the child.
    for thread in (PROCESS.watcher, *PROCESS.periodic, *PROCESS.helping()):
        if thread is not None:
            thread.stop(_PATIENCE)


def _unblock() -> None:
    mask = PROCESS.masks.pop(_thread.get_ident(), None)
    if mask is not None:
        restore_signals(mask)


def _in_parent() -> None:
    _start_threads()
    _unblock()


def _start_threads() -> None:
    if PROCESS.ended:
        return
    caller = sys._getframe(1).f_back  # noqa: SLF001 - as inspect.currentframe, without the import
    if sys.version_info < (3, 13) or caller is None or not is_main_thread() or sys.getprofile() is not None:
        PROCESS.start_threads()
        return
    forking = caller.f_lasti

    def after_the_fork(frame: FrameType, event: str, _argument: object) -> None:
        # Not yet where another library's hook runs: the one who forks has not come any further.
        if caller.f_lasti != forking or (frame is caller and event in ("c_call", "return")):
            sys.setprofile(None)
            PROCESS.start_threads()

    # Python 3.13 counts the threads after this hook, and warns: they are started when os.fork() has returned.
    sys.setprofile(after_the_fork)


def _in_child() -> None:
    here = PROCESS
    note_fork(here.pid)
    give_back()
    if here.watcher is not None:
        # The pipe is shared: a byte of the child's would be a signal to the parent.
        here.watcher.drop_wakeup()
        here.watcher.close()
    for saver in here.living():
        saver.gate.after_fork()
    _unblock()
    here.move_here()
