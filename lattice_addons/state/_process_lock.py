"""A lock that all of a process shares, and that no thread of the parent's holds in a forked child."""

from __future__ import annotations

import threading
from typing import Any

from lattice_addons._host import at_fork

__all__ = ["process_lock"]


def process_lock() -> Any:  # noqa: ANN401 - typeshed has no public name for a re-entrant lock
    """Make a re-entrant lock, for the life of the process and of its forked children."""
    lock: Any = threading.RLock()

    def free() -> None:
        # Where the forking thread itself has it, it goes on to have it, and gives it back as usual.
        if not lock._is_owned():  # noqa: SLF001 - as below, there is no other way
            lock._at_fork_reinit()  # noqa: SLF001

    at_fork(after_in_child=free)
    return lock
