"""A program that ends by itself is done and begins afresh; one that ended otherwise carries on."""

from __future__ import annotations

import atexit
import functools
import os
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from lattice_addons.lifecycle import is_ending

if TYPE_CHECKING:
    from collections.abc import Callable

    from lattice_addons.state import StateManagerGroup

__all__ = ["complete_at_end"]

_FAILED = 65  # as errors about values that do not fit; atexit cannot give a status in another way


def complete_at_end(group: StateManagerGroup, is_done: Callable[[], bool]) -> None:
    """Have the work completed when the program falls off its end, or leaves with the status 0."""
    exit_ = sys.exit
    statuses: list[object] = []
    pid = os.getpid()

    @functools.wraps(exit_)
    def noted(status: Any = None, /) -> NoReturn:
        statuses.append(status)
        exit_(status)

    def complete() -> None:
        failed = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
        status = statuses[-1] if statuses else None
        if failed is not None or status not in (None, 0) or pid != os.getpid() or is_ending():
            return
        if is_done():
            group.complete()
        else:
            _fail()

    sys.exit = noted
    # The save at exit is registered already, and so is made after this: it then has nothing to do.
    atexit.register(complete)


def _fail() -> NoReturn:
    """End with a status that says so: what was computed in vain is no result, and what is stored stays as it is."""
    sys.stdout.flush()
    sys.stderr.write(
        "lattice: the program has ended without coming to the point at which it was stopped: what it has computed "
        "now is NOT its result. It has gone another way than before: its source or arguments were changed, or it "
        "decides by what it did not keep. What was saved still stands; to begin afresh remove the job's checkpoints "
        "(lattice jobs), or name another job\n"
    )
    sys.stderr.flush()
    os._exit(_FAILED)
