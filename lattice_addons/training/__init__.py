"""What a training run is made of, and where it was: exact resume for torch."""

from __future__ import annotations

from lattice_addons._doors import later

__all__: list[str] = []

_ROOMS: dict[str, str] = {}

__getattr__, __dir__ = later(globals(), _ROOMS)
