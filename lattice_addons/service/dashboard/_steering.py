"""What was asked of running programs here, and what they answered: an answer can be read from the store only once."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from lattice_addons.errors import LatticeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lattice_addons.hyperstate import Requests

__all__ = ["Change", "Steering"]

_JOBS, _CHANGES = 500, 40


@dataclass(slots=True)
class Change:
    """One request to one rank; ``accepted`` is None as long as the program has not answered."""

    name: str
    rank: int
    overrides: tuple[str, ...]
    by: str
    at: datetime
    accepted: bool | None = None
    message: str = ""


class Steering:
    """The newest requests of each job."""

    def __init__(self) -> None:
        self._changes: OrderedDict[str, deque[Change]] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, job: str, name: str, rank: int, overrides: Sequence[str], by: str) -> None:
        """Remember a request."""
        with self._lock:
            known = self._changes.setdefault(job, deque(maxlen=_CHANGES))
            known.appendleft(Change(name, rank, tuple(overrides), by, datetime.now(timezone.utc)))
            self._changes.move_to_end(job)
            while len(self._changes) > _JOBS:
                self._changes.popitem(last=False)

    def of(self, job: str, requests_of: Callable[[int], Requests]) -> list[Change]:
        """Give what was asked of a job, the newest first, with the answers that have come."""
        with self._lock:
            changes = list(self._changes.get(job, ()))
            for change in changes:
                if change.accepted is not None:
                    continue
                try:
                    answer = requests_of(change.rank).answer_to(change.name)
                except (LatticeError, ValueError, KeyError):
                    # It cannot be read now, or somebody else wrote it: the next look may tell.
                    continue
                if answer is not None:
                    change.accepted, change.message = answer
        return changes

    def forget(self, job: str, name: str) -> None:
        """Forget a request that was taken back."""
        with self._lock:
            known = self._changes.get(job, deque())
            for change in [each for each in known if each.name == name]:
                known.remove(change)
