"""What stands at a signal before us, and whether it may be replaced."""

from __future__ import annotations

import signal

__all__ = ["why_not_taken"]


def why_not_taken(signum: int, standing: object) -> str | None:
    """Say why a signal is left as it is (an empty text where that is no problem), or None to take it."""
    if standing == signal.SIG_IGN:
        return ""  # nohup, or the program's wish: ignored stays ignored
    if standing is None or (standing == signal.SIG_DFL and _caught_in_c(signum)):
        return "left to a handler that was installed from C (faulthandler, a library)"
    return None


def _caught_in_c(signum: int) -> bool:
    """Ask the system: to Python a handler from C looks like the default."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:
            status = file.read()
    except OSError:
        return False
    for line in status.splitlines():
        if line.startswith("SigCgt:"):
            return bool(int(line.split()[1], 16) >> (signum - 1) & 1)
    return False
