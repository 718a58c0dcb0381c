"""How a turn of the uploader ends, and what is written down of one that failed."""

from __future__ import annotations

import enum
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from lattice_addons.errors import LeaseHeldError, NoAccessError, StoreError

if TYPE_CHECKING:
    from lattice_addons.storage.spool._spool import Spool

__all__ = ["ROOM", "DivergedError", "Outcome", "note_trouble"]

#: The kind of trouble that is no failure: the spool is too large.
ROOM = "room"


class Outcome(enum.Enum):
    """How a turn ended."""

    # The later ones count where folders end differently.
    DONE = "nothing is left"
    STUCK = "it will not go better by itself"
    FAILED = "it may go better later"
    AGAIN = "there is more at once"


class DivergedError(StoreError):
    """The job went on elsewhere."""


def note_trouble(spool: Spool, folder: str, error: Exception) -> Outcome:
    """Write down what keeps a folder from being sent; give how its turn ended."""
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    kind = "diverged" if isinstance(error, DivergedError) else type(error).__name__
    known = spool.trouble(folder) or {}
    same = known.get("kind") == kind
    trouble: dict[str, Any] = {
        "error": str(error) if isinstance(error, StoreError) else f"{type(error).__name__}: {error}",
        "kind": kind,
        "since": known.get("since", now) if same else now,
        "last": now,
        "times": known.get("times", 0) + 1 if same else 1,
        "stuck": isinstance(error, (NoAccessError, DivergedError, LeaseHeldError)),
        "tried": time.time(),
    }
    spool.set_trouble(folder, trouble)
    return Outcome.STUCK if isinstance(error, DivergedError) else Outcome.FAILED
