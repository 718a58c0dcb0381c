"""A save that fails is written down beside the checkpoints, too, for who looks at the job from outside."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lattice_addons.errors import NotSavedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._stored import Stored

__all__ = ["nested", "note_refused", "noting"]

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


def nested() -> NotSavedError:
    """Make the error for a save within one: a large value is pickled only while it is written."""
    message = (
        "this thread is in the middle of writing a checkpoint, and was asked for another one (by the __getstate__ or "
        "__reduce__ of a value, or by a signal handler): save before or after that"
    )
    return NotSavedError(message, failures={}, number=None)
