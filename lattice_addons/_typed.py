"""What a person types, at a prompt or in a notebook's cell, is run again and again in one process."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["is_session", "is_typed"]


def is_typed(frame: FrameType) -> bool:
    """Tell whether code runs that is in no file: in a cell, at a prompt, or behind ``-c``."""
    names = frame.f_globals
    return names.get("__name__") == "__main__" and "__file__" not in names


def is_session() -> bool:
    """Tell whether a person sits at this process and types one piece of code after the other."""
    # IPython sets it, too, in a notebook's kernel as well.
    return hasattr(sys, "ps1")
