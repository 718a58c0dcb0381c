"""Ports for servers that are stopped and started again: no connection is given one of them in between."""

from __future__ import annotations

import os
import random
import socket
from collections import deque
from pathlib import Path

_GIVEN = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST = 10_000
# Bound until so many others were chosen: between its choice and its server's start, nobody else chooses one of these.
_KEPT: deque[int] = deque()
_MOST = 64


def free_port() -> int:
    """Give a port at which nothing listens, and which the system gives to nobody who asks for any."""
    given = int(_GIVEN.read_text(encoding="ascii").split()[0])
    # Other tests choose as well, at the same time.
    chosen = random.SystemRandom().choice
    while True:
        port = chosen(range(_LOWEST, given)) if given > 2 * _LOWEST else 0
        opened = socket.socket()
        try:
            opened.bind(("127.0.0.1", port))
        except OSError:
            opened.close()
            continue
        # Only now: it is refused where another has chosen the same, and lets a server listen there all the same.
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        port = int(opened.getsockname()[1])
        _KEPT.append(opened.detach())
        if len(_KEPT) > _MOST:
            os.close(_KEPT.popleft())
        return port
