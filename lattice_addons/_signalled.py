"""Signals that came and have not taken effect yet: whoever waits for something else does so no longer."""

from __future__ import annotations

from typing import Final

__all__ = ["PENDING"]

#: By number, with the time when each came.
PENDING: Final[dict[int, float]] = {}
