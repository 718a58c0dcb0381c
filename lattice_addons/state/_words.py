"""What a value raised, in words: the text alone of a KeyError is but the key."""

from __future__ import annotations

from lattice_addons.errors import LatticeError


def in_words(error: Exception) -> str:
    """Say what went wrong; an error that is not ours is told with its type."""
    if isinstance(error, LatticeError):
        return str(error)
    kind, text = type(error).__name__, str(error)
    return f"{kind}: {text}" if text else kind
