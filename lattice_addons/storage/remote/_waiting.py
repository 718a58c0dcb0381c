"""A program that begins waits for a store that is away; everybody else hears at once that nobody is there."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lattice_addons._signalled import PENDING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["waiting", "waits"]


class _Here(threading.local):
    """What is so for the calls of one thread."""

    waits = False


_HERE = _Here()


@contextmanager
def waiting(wanted: bool = True) -> Iterator[None]:  # noqa: FBT001, FBT002 - as `if wanted: with waiting()`
    """Let this thread wait, in a block, as long as any call may take for a store where nobody answers."""
    before, _HERE.waits = _HERE.waits, wanted
    try:
        yield
    finally:
        _HERE.waits = before


def waits() -> bool:
    """Say whether this thread waits; at the end of the program, or when a signal waits for a save, nobody does."""
    return _HERE.waits and not PENDING and threading.main_thread().is_alive()
