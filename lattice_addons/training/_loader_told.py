"""What is not exact after a restart is told, once."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Told"]

# Where the sampler stands that is told the epoch.
_EPOCHS = ("sampler.epoch", "batches.sampler.epoch", "batches.batch_sampler.sampler.epoch")
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

    def own(self, names: Iterable[str]) -> None:
        """Say what is lacking of a data set or a sampler that counts in attributes of its own."""
        # An epoch that was set comes back.
        told = ", ".join(name for name in names if name not in _EPOCHS)
        if told:
            self._say(
                f"loader {self._key!r}: {told} changed while it was gone through, and is not put back after a "
                "restart. If the samples or their order depend on it, have that class say where it is: state_dict() "
                "and load_state_dict()"
            )

    def done(self, around: str) -> None:
        """Say what becomes of a loop within an element that a save has counted as done."""
        self._say(
            f"the loop over {self._key!r} begins within an element of {around!r} that counts as done since "
            "group.save(): a program that is stopped in it goes on behind that element. Save behind the loop instead"
        )

    def unfinished(self, batch: int) -> None:
        """Say what becomes of a batch in whose middle was saved."""
        self._say(
            f"loader {self._key!r}: the checkpoint was made in the middle of batch {batch}, by an exception or because "
            "the step took longer than half of grace: what the step had changed by then stands, and the batch is "
            "worked on again"
        )

    def held(self, loop: str) -> None:
        """Say what becomes of a batch that was asked for by next() before a resumed loop."""
        self._say(
            f"loop {loop!r} begins while a batch of {self._key!r} that next() gave is in hand: all of the loop "
            "counts as part of that batch, and it is not exact after a restart. Where the batch was only looked at, do "
            "not keep its iterator: next(iter(loader))"
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
