"""A folder that failed waits before it is tried again, longer each time; no other one waits with it."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["Pauses"]

_FIRST, _LONGEST = 1.0, 60.0


class _Pause(NamedTuple):
    """How often in a row a folder has failed, and until when it waits."""

    failures: int
    until: float


class Pauses:
    """Which folders of a spool wait, and which was tried when."""

    def __init__(self) -> None:
        self._waiting: dict[str, _Pause] = {}
        self._tried: dict[str, float] = {}

    def is_due(self, folder: str) -> bool:
        """Say whether a folder need not wait."""
        pause = self._waiting.get(folder)
        return pause is None or pause.until <= time.monotonic()

    def failed(self, folder: str) -> None:
        """Let a folder wait, twice as long as the last time; not all of them to the same instant."""
        failures = self._waiting[folder].failures if folder in self._waiting else 0
        seconds = min(_FIRST * 2.0 ** min(failures, 10), _LONGEST) * random.uniform(0.5, 1)  # noqa: S311 - no secret
        self._waiting[folder] = _Pause(failures + 1, time.monotonic() + seconds)

    def went_well(self, folder: str) -> None:
        """Let a folder wait no more."""
        self._waiting.pop(folder, None)
        self._tried.pop(folder, None)

    def keep_to(self, folders: Collection[str]) -> None:
        """Forget those that are not there any more."""
        for folder in (self._waiting.keys() | self._tried.keys()) - {*folders}:
            self.went_well(folder)

    def was_tried(self, folder: str) -> None:
        """Note that a folder was tried, and not only put off since another one had failed."""
        self._tried[folder] = time.monotonic()

    def last_tried(self, folder: str) -> float:
        """Give when a folder failed last; it comes after those that did so before, or never."""
        return self._tried.get(folder, 0.0)

    def forget(self) -> None:
        """Let all be tried at once, as if none had failed."""
        self._waiting.clear()

    def seconds(self) -> float | None:
        """Give the seconds until the first that waits is due; None where none does."""
        if not self._waiting:
            return None
        return max(min(pause.until for pause in self._waiting.values()) - time.monotonic(), 0.0)
