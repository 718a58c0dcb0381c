"""One line on stderr, where printing or logging could fail, block or recurse."""

from __future__ import annotations

import os
import select
import stat
import sys

from lattice_addons._host import POSIX

__all__ = ["tell", "tell_over"]

_STDERR = 2


def _identity(descriptor: int) -> tuple[int, int] | None:
    """Say which file a descriptor is, or None when it is closed."""
    try:
        found = os.fstat(descriptor)
    except OSError:
        return None
    return found.st_dev, found.st_ino


_AT_START = _identity(_STDERR)


def _is_stderr() -> bool:
    """Say whether descriptor 2 is where errors go, not a file of the user's that was given that number."""
    # Python sets sys.__stderr__ to None when the descriptor was closed at its start.
    now = _identity(_STDERR)
    if now is None or sys.__stderr__ is None:
        return False
    if now in (_AT_START, _identity(1)):
        return True
    return not stat.S_ISREG(os.fstat(_STDERR).st_mode)


def tell(text: str) -> None:
    """Write one line to stderr, by one system call, if descriptor 2 really is stderr."""
    _write("lattice: " + " ".join(text.split()) + "\n")


def tell_over(text: str) -> None:
    """Write a line to a terminal, in the place of the one that was written so before."""
    _write("\r\x1b[K" + ("lattice: " + " ".join(text.split()) if text else ""))


def _write(text: str) -> None:
    # os.write and not print: inside a signal handler print raises "reentrant call", late at exit it is gone.
    line = text.encode("utf-8", "backslashreplace")
    try:
        # A full pipe that nobody reads must not hold up the end of the program.
        if _is_stderr() and (not POSIX or select.select([], [_STDERR], [], 1)[1]):
            os.write(_STDERR, line)
    except (OSError, ValueError):
        return  # there is nowhere left to say it
