"""A text that is too long for its manifest is stored beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons.encoding import STREAMED, Joined

if TYPE_CHECKING:
    from lattice_addons.encoding import Buffer

__all__ = ["as_stored"]


def as_stored(text: bytes) -> Buffer:
    """Give a text as what it is stored as: a long one is cut by its content, as pickles are."""
    return Joined([text]) if len(text) >= STREAMED else text
