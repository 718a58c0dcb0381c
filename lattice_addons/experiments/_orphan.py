"""A worker does not outlive its runner: else the next runner would run the same setting beside it."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from lattice_addons._host import at_fork
from lattice_addons._system import O_CLOEXEC, lock

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["end_with_runner", "present", "workers_ended"]

_FILE = "workers.lock"
_LOOK = 0.25  # seconds between two looks at whether the runner lives
_GRACE = 25.0  # seconds that a run gets to save its state
_held: set[int] = set()


def end_with_runner(runner: int) -> None:
    """Let this process end soon after its parent: by a signal at which runs save their state, then for certain."""

    def watch() -> None:
        while os.getppid() == runner:
            time.sleep(_LOOK)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_GRACE)
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))

    threading.Thread(target=watch, name="lattice-orphan", daemon=True).start()


@contextmanager
def present(folder: str) -> Iterator[None]:
    """Show for a block that a worker works in a place: by a lock that ends with the process, however that ends."""
    descriptor = _opened(folder)
    _held.add(descriptor)
    try:
        # On a file system without locks the workers have only their watch.
        with suppress(OSError):
            lock(descriptor, shared=True, wait=True)
        yield
    finally:
        _held.discard(descriptor)
        os.close(descriptor)


def _let_go() -> None:
    """Hold no lock in a process that a run forks, and that may go on when the worker has ended."""
    while _held:
        os.close(_held.pop())


at_fork(after_in_child=_let_go)


def workers_ended(folder: str, seconds: float) -> bool:
    """Wait until no worker of an earlier runner works in a place; say whether that is so."""
    descriptor = _opened(folder)
    until = time.monotonic() + seconds
    try:
        while True:
            try:
                lock(descriptor)
            except BlockingIOError:
                if time.monotonic() >= until:
                    return False
                time.sleep(0.05)
            except OSError:
                return True
            else:
                return True
    finally:
        os.close(descriptor)


def _opened(folder: str) -> int:
    return os.open(os.path.join(folder, _FILE), os.O_RDWR | os.O_CREAT | O_CLOEXEC, 0o600)
