"""Bytes that are collected in memory until they are whole."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lattice_addons.storage._store import Bytes

__all__ = ["Gathered"]


class Gathered:
    """Collects the pieces in memory."""

    def __init__(self) -> None:
        self.data = bytearray()
        self._writing = threading.Lock()

    @property
    def position(self) -> int:
        """Give the number of bytes so far."""
        return len(self.data)

    def write(self, data: Bytes) -> None:
        """Append a copy of these bytes."""
        self.write_at(data, len(self.data))

    def write_at(self, data: Bytes, offset: int, *, paged: bool = False) -> None:
        """Put a copy of these bytes there."""
        del paged
        copy = bytes(data)  # as bytearray refuses memory that is not contiguous
        with self._writing:
            self.data.extend(bytes(max(offset + len(copy) - len(self.data), 0)))
            self.data[offset : offset + len(copy)] = copy
