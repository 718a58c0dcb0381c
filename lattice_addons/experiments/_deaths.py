"""How a worker died: by which signal, or with which exit code, and whether the machine was out of memory."""

from __future__ import annotations

import signal
from contextlib import suppress
from typing import Any

__all__ = ["how_it_died", "out_of_memory_kills"]

_COUNTERS = (
    ("/sys/fs/cgroup/memory.events", "oom_kill"),
    ("/sys/fs/cgroup/memory/memory.oom_control", "oom_kill"),
    ("/proc/vmstat", "oom_kill"),
)


def out_of_memory_kills() -> int:
    """Count the processes that the system has killed for want of memory, as far as it tells."""
    total = 0
    for path, name in _COUNTERS:
        with suppress(OSError, ValueError), open(path, encoding="ascii") as file:
            total += sum(int(line.split()[1]) for line in file if line.split()[0] == name)
    return total


def how_it_died(processes: list[Any], *, out_of_memory: bool) -> str:
    """Say it as the end of a sentence that begins with the worker."""
    codes = [code for code in (process.exitcode for process in processes) if code]
    if not codes:
        return "ended by itself: something in it called os._exit(0), or it was lost"
    code = codes[0]
    if code > 0:
        return f"ended with exit code {code}: something in it called os._exit, or crashed"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    if name == "SIGKILL" and out_of_memory:
        return "was killed by SIGKILL: the system was out of memory"
    if name == "SIGKILL":
        return "was killed by SIGKILL, by somebody, or by the system for want of memory"
    return f"was killed by {name}"
