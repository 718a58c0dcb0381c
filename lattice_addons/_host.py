"""What Linux lets a process ask of its host, and another system may not, with what stands in for it there."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = [
    "POSIX",
    "at_fork",
    "block_signals",
    "host_name",
    "other_thread_seconds",
    "peak_memory",
    "raise_descriptors",
    "restore_signals",
    "signal_thread",
    "signals_of",
    "thread_seconds",
    "user_name",
    "user_number",
    "wait_readable",
]

#: Whether processes can fork, be called upon by signals, and share pipes that have names.
POSIX = hasattr(os, "fork")


def at_fork(**hooks: Callable[[], object]) -> None:
    """Have functions called when this process forks, where it can: as `os.register_at_fork`."""
    if sys.platform != "win32" and hasattr(os, "register_at_fork"):
        register: Any = os.register_at_fork
        register(**hooks)


def signals_of(*names: str) -> frozenset[signal.Signals]:
    """Give those of the named signals that this system has."""
    return frozenset(signal.Signals[name] for name in names if name in signal.Signals.__members__)


def block_signals(signums: Iterable[int]) -> set[int | signal.Signals]:
    """Keep signals from this thread, where it can be; give which were before, for `restore_signals`."""
    if sys.platform != "win32" and hasattr(signal, "pthread_sigmask"):
        return signal.pthread_sigmask(signal.SIG_BLOCK, signums)
    return set()


def restore_signals(mask: Iterable[int]) -> None:
    """Keep these signals from this thread, and no others."""
    if sys.platform != "win32" and hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def signal_thread(ident: int, signum: int) -> None:
    """Send a signal to one thread of this process."""
    if sys.platform != "win32" and hasattr(signal, "pthread_kill"):
        signal.pthread_kill(ident, signum)


def thread_seconds(ident: int) -> float:
    """Give the processor time of a living thread; where nobody counts it, that of all of them."""
    if sys.platform == "linux" and hasattr(time, "pthread_getcpuclockid"):
        return time.clock_gettime(time.pthread_getcpuclockid(ident))
    return time.process_time()


def other_thread_seconds(native: int) -> float | None:
    """Give the processor time of a thread that may have ended, by the system's number; None where nobody knows."""
    if sys.platform != "linux" or not hasattr(time, "clock_gettime"):
        return None
    try:
        # pthread_getcpuclockid() would not survive a thread that has ended meanwhile; this is refused.
        return time.clock_gettime((~native << 3) | 6)
    except OSError:
        return None


def host_name() -> str:
    """Give this machine's name."""
    if sys.platform != "win32" and hasattr(os, "uname"):
        return os.uname().nodename
    return os.environ.get("COMPUTERNAME", "localhost")


def user_number() -> int:
    """Give the number of the user whose process this is; 0 where users have none."""
    if sys.platform != "win32" and hasattr(os, "getuid"):
        return os.getuid()
    return 0


def user_name() -> str:
    """Give the name of the user whose process this is, or the number; never what a variable says."""
    number = user_number()
    if sys.platform != "win32":
        with suppress(ImportError, KeyError):  # in a container there may be none for the number
            import pwd

            return pwd.getpwuid(number).pw_name
    return str(number) if POSIX else os.getlogin()


def peak_memory() -> int:
    """Give the most bytes of memory that this process has had; 0 where nobody knows."""
    if sys.platform != "win32":
        with suppress(ImportError):
            import resource

            most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            return most if sys.platform == "darwin" else most * 1024
    return 0


def raise_descriptors() -> None:
    """Let this process open as many files as it may be allowed to."""
    if sys.platform != "win32":
        with suppress(ImportError, OSError, ValueError):
            import resource

            _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def wait_readable(descriptor: int, seconds: float | None) -> None:
    """Wait until there is something to read, for so long at most."""
    if sys.platform != "win32" and hasattr(select, "poll"):
        # Not select(), which takes no descriptor above 1023.
        waiting = select.poll()
        waiting.register(descriptor, select.POLLIN)
        waiting.poll(None if seconds is None else seconds * 1000)
    else:
        select.select([descriptor], [], [], seconds)
