"""How many bytes a job has in the store, and how many more have room."""

from __future__ import annotations

import errno
import re
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lattice_addons.errors import OverQuotaError

if TYPE_CHECKING:
    from lattice_addons.storage import Store

__all__ = ["Quotas", "Room"]

_FRESH = 30.0  # seconds for which what was found is believed: others may write to the store, too
_AGAIN = 1.0  # a job that is full is not measured more often than this
_HOLDS = re.compile(r"/(lease|claims/[0-9]{8,18})\.json\Z")
_JOBS = 10_000  # of so many it is known how large they are; others are measured again


@dataclass(slots=True)
class _Job:
    """What a job takes: what was found in the store, what came since, and what is on its way."""

    found: int = 0
    came: int = 0
    coming: int = 0
    at: float = float("-inf")
    counting: threading.Lock = field(default_factory=threading.Lock)
    measuring: threading.Lock = field(default_factory=threading.Lock)

    @property
    def used(self) -> int:
        return self.found + self.came + self.coming

    def due(self, count: int, quota: int) -> bool:
        """Say whether to measure it before so many bytes more are let in, or refused."""
        age = time.monotonic() - self.at
        return age > _FRESH or (self.used + count > quota and (age > _AGAIN or self.came > 0))


class Quotas:
    """The same quota for each job; 0 stands for none.

    A lease and a claim are always let in: without one nobody can make room.
    """

    def __init__(self, quota: int) -> None:
        self.quota = quota
        self._jobs: dict[str, _Job] = {}
        self._finding = threading.Lock()

    def room(self, store: Store, job: str, key: str) -> Room | None:
        """Give what an object's bytes are counted with while they come; None where nothing is counted."""
        return None if not self.quota or _HOLDS.search(key) else Room(self, store, job)

    def changed(self, job: str) -> None:
        """Have a job measured again: something of it was removed."""
        with self._finding:
            facts = self._jobs.get(job)
        if facts is not None:
            facts.at = float("-inf")

    def facts(self, job: str) -> _Job:
        """Give what is known of a job."""
        with self._finding:
            if len(self._jobs) > _JOBS:
                self._jobs = {name: known for name, known in self._jobs.items() if known.coming}
            return self._jobs.setdefault(job, _Job())


class Room:
    """The room of one object that comes."""

    def __init__(self, quotas: Quotas, store: Store, job: str) -> None:
        self._quotas, self._store, self._job = quotas, store, job
        self._facts = quotas.facts(job)
        self.taken: int = 0

    def take(self, count: int) -> None:
        """Count so many bytes more; blocks where the job must be measured first.

        Raises:
            OverQuotaError: they have no room.
        """
        facts, quota = self._facts, self._quotas.quota
        if facts.due(count, quota):
            with facts.measuring:
                if facts.due(count, quota):
                    self._measure()
        with facts.counting:
            if facts.used + count > quota:
                raise self._full(count)
            facts.coming += count
            self.taken += count

    def _measure(self) -> None:
        """Add up what is there. What is stored meanwhile may be counted twice for a while, and is not left out."""
        facts, came = self._facts, self._facts.came
        found = sum(entry.size for entry in self._store.listing(f"{self._job}/").values())
        with facts.counting:
            facts.found, facts.at = found, time.monotonic()
            facts.came -= came

    def end(self, *, stored: bool) -> None:
        """Count them as stored, or no more."""
        with self._facts.counting:
            self._facts.coming -= self.taken
            self._facts.came += self.taken if stored else 0
            self.taken = 0

    def _full(self, count: int) -> OverQuotaError:
        job, used, quota = self._job, self._facts.used, self._quotas.quota
        message = (
            f"job {job!r} takes {used} of its {quota} bytes, and {count} more have no room: have the service's --quota "
            "raised (twice what stays of the job is enough), or let the program keep less by a smaller `keep`; "
            "what is refused waits on its machine meanwhile"
        )
        error = OverQuotaError(message, url=self._store.url, job=job, used=used, quota=quota)
        error.errno = errno.EDQUOT
        return error
