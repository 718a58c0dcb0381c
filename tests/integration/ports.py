"""Ports for servers that are stopped and started again: no connection is given one of them in between."""

from __future__ import annotations

import random
import socket
from pathlib import Path

_GIVEN = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST = 10_000


def free_port() -> int:
    """Give a port at which nothing listens, and which the system gives to nobody who asks for any."""
    given = int(_GIVEN.read_text(encoding="ascii").split()[0])
    # Other tests choose as well, at the same time.
    chosen = random.SystemRandom().choice
    while True:
        port = chosen(range(_LOWEST, given)) if given > 2 * _LOWEST else 0
        with socket.socket() as opened:
            try:
                opened.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(opened.getsockname()[1])
