"""What boosting has come to after a round: its trees, and what was evaluated until then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lattice_addons.encoding import Encoder, register_encoder
from lattice_addons.state import StateDictManager, StateManagerGroup

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["BoostedRounds", "Rounds"]


@dataclass(frozen=True)
class BoostedRounds:
    """What is stored: rounds ``begun`` to ``done`` are this training's; the trees before them were given to it."""

    begun: int
    done: int
    log: Any
    trees: bytes


class _BoostedRoundsEncoder(Encoder):
    """Needs no pickle: the trees are the framework's own bytes, and the rest is plain."""

    name = "boosted-rounds"
    types = (BoostedRounds,)

    def encode(self, value: BoostedRounds) -> tuple[Any, Sequence[bytes]]:
        """Give what was evaluated as the header."""
        return {"begun": value.begun, "done": value.done, "log": value.log}, [value.trees]

    def decode(self, header: Any, buffers: Sequence[bytearray | memoryview]) -> BoostedRounds:
        """Make it again."""
        return BoostedRounds(header["begun"], header["done"], header["log"], bytes(buffers[0]))


register_encoder(_BoostedRoundsEncoder())


class Rounds:
    """The rounds of one training, in a slot of their own; a restarted program finds there what was done."""

    def __init__(self, group: StateManagerGroup | None, key: str, every: int | None) -> None:
        self.begun = 0
        self.done = 0
        self.log: Any = None
        #: Gives the first so many rounds of the booster; it may raise `NoValue`.
        self.trees_of: Callable[[int], bytes] | None = None
        self._stored: BoostedRounds | None = None
        self._every = every
        self._group = group if group is not None else StateManagerGroup()
        self._group.register(key, StateDictManager)
        self._group.update(key, self)

    @property
    def stored(self) -> BoostedRounds | None:
        """What an earlier process had done."""
        return self._stored

    def state_dict(self) -> BoostedRounds | None:
        """Give the rounds that are done; a round that is not is left out."""
        if self.trees_of is None:
            return self._stored
        return BoostedRounds(self.begun, self.done, self.log, self.trees_of(self.done))

    def load_state_dict(self, stored: BoostedRounds | None) -> None:
        """Take over what an earlier process had done."""
        if stored is not None:
            self._stored = stored
            self.begun, self.done, self.log = stored.begun, stored.done, stored.log

    def finished(self, done: int, log: object) -> None:
        """Count a round as done, save it if it is its turn, and serve what is due."""
        with self._group.atomic():  # another thread's save has both of them, or neither
            self.done, self.log = done, log
        if self._every and (done - self.begun) % self._every == 0:
            self._group.save()
        self._group.safe_point()

    def end(self) -> None:
        """Leave the loop of rounds."""
        self._group.safe_point(last=True)
