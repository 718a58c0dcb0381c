"""A save that fails is written down beside the checkpoints, too, for who looks at the job from outside."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._stored import Stored

__all__ = ["note_refused", "noting"]

_log = logging.getLogger("lattice_addons.state")


@contextmanager
def noting(stored: Stored, reason: str) -> Iterator[None]:
    """Write down what a save within raises."""
    try:
        yield
    except Exception as error:
        note_refused(stored, reason, error)
        raise


def note_refused(stored: Stored, reason: str, error: Exception) -> None:
    """Write down that a save was refused, as far as that is possible: it is the save's error that counts."""
    line = stored.line
    try:
        if line is None or stored.passive is not None or not line.lease.held():
            return
        slots = getattr(error, "failures", None) or [getattr(error, "slot", None)]
        names = [name for name in slots if isinstance(name, str)]
        # Imported only here: few programs ever need it.
        from lattice_addons.checkpoint import refusals

        refusals(line).add(reason, error, names, getattr(error, "number", None))
    # A store that cannot be written is the usual reason for a refusal, and whatever else it is, is no other error.
    except Exception as failed:  # noqa: BLE001
        _log.debug("the refusal of a save could not be written down: %s", failed)
