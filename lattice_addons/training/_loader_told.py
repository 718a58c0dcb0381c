"""What is not exact after a restart is told, once."""

from __future__ import annotations

import logging

__all__ = ["Told"]

_log = logging.getLogger("lattice_addons.training")


class Told:
    """What has been said of one loader."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._said: set[str] = set()

    def passing(self) -> None:
        """Say what is lacking where a loop is passed over."""
        self._say(
            f"the loop over {self._key!r} was finished before the program was stopped, and is passed over: what it and "
            "the code behind it have left in plain variables is not there again. What is tracked is put back"
        )

    def part(self, around: str, *, again: bool) -> None:
        """Say what becomes of a loop within another's batch, of which a part is done in a checkpoint."""
        told = "is worked on again, and this loop begins anew"
        if not again:
            told = "counts as done, and what is left of this loop is not gone through: save behind it instead"
        self._say(
            f"saved in the middle of the loop over {self._key!r} within one batch of {around!r}: after a restart that "
            f"batch {told}"
        )

    def _say(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            _log.warning(text)
