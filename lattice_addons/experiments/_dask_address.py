"""An address where nobody listens, or something else than a scheduler of Dask, is told from one soon."""

from __future__ import annotations

import queue
import re
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ANSWER", "in_time", "knock"]

#: Seconds in which a scheduler answers.
ANSWER = 10


def knock(address: str) -> None:
    """Find out at once where nobody listens; Dask would try again for a while, and leave threads behind."""
    found = re.fullmatch(r"(?:(?:tcp|tls)://)?\[?([^/\[\]]+?)\]?:(\d+)", address)
    if found is not None:
        socket.create_connection((found[1], int(found[2])), ANSWER).close()
    elif "://" not in address:
        raise ValueError("an address is HOST:PORT, such as tcp://10.0.0.1:8786")


def in_time(begin: Callable[[], None]) -> None:
    """Do something that may wait for an answer for ever, where something else than Dask listens."""
    done: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()

    def begun() -> None:
        try:
            begin()
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            done.put(error)
        else:
            done.put(None)

    threading.Thread(target=begun, name="lattice-dask", daemon=True).start()
    try:
        error = done.get(timeout=2 * ANSWER)
    except queue.Empty:
        raise TimeoutError("what listens there does not answer as Dask does") from None
    if error is not None:
        raise error
