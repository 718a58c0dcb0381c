"""Workers that live for several epochs are seeded once, and their successors alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from ._loader_randomness import let_go_on, states_of

if TYPE_CHECKING:
    from ._loader_place import Place

__all__ = ["Seed"]


class Seed:
    """The state from which the workers' seed is drawn: noted at their first start, put back for their successors."""

    def __init__(self, generator: object, place: Place, *, known: bool) -> None:
        self._drawn_from = {"seed": generator if generator is not None else torch.default_generator}
        self._place = place
        self._known = known
        self._before: dict[str, Any] = {}

    def before(self) -> bool:
        """Note the state, or put the noted one there; say whether this draw was made long ago."""
        self._before = states_of(self._drawn_from)
        if self._known:
            let_go_on(self._drawn_from, self._place.seed)
        else:
            self._place.seed = {"epoch": self._place.epoch, **self._before}
        return self._known

    def after(self) -> None:
        """Undo the draw, where it was made long ago."""
        if self._known:
            let_go_on(self._drawn_from, self._before)
