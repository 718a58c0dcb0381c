"""What programs store in the service: its bytes, read and written by HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons._doors import later

if TYPE_CHECKING:
    from ._changing import Changing
    from ._removing import MOST_KEYS
    from ._repeats import Repeats
    from ._routes import object_routes

__all__ = ["MOST_KEYS", "Changing", "Repeats", "object_routes"]

_LATER = {
    "Changing": "_changing",
    "MOST_KEYS": "_removing",
    "Repeats": "_repeats",
    "object_routes": "_routes",
}

later(globals(), _LATER)
