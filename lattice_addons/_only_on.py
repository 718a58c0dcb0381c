"""What a system cannot do is refused in words, before half of it is done."""

from __future__ import annotations

import sys

from lattice_addons.errors import UnsupportedError

__all__ = ["only_where"]


def only_where(able: bool, what: str, needs: str) -> None:  # noqa: FBT001 - reads as a sentence
    """Refuse what this system cannot do.

    Raises:
        UnsupportedError: it cannot; the text says what it lacks, and where to go.
    """
    if able:
        return
    here = f"{what}: this system ({sys.platform}) has no {needs}"
    message = f"{here}; run the program on Linux, or on Windows within WSL 2"
    raise UnsupportedError(message, what=what, system=sys.platform)
