"""A tracked object stays the program's own: its state dict is stored, and goes back into it at once."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, ClassVar

from ._dict import StateDictManager, Stateful

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._mismatch import Mismatch

__all__ = ["TrackedManager"]

_log = logging.getLogger("lattice_addons.state")


class TrackedManager(StateDictManager):
    """Bind an object by its ``state_dict()`` and ``load_state_dict()``; what does not fit it is told by name.

    A manager for a kind of object subclasses this: ``compare`` says what of a stored state does not fit, and
    ``fitting`` what of it does.
    """

    __module__ = "lattice_addons.state"

    as_tree = True
    #: How its slots are kept when the number of ranks changes, where `StateManagerGroup.track` is not told.
    ranks: ClassVar[str | None] = None
    merge: ClassVar[Callable[[list[Any]], object] | None] = None
    #: Whether a stored state that does not fit is refused; if not, what fits is loaded and the rest is logged.
    strict: bool = True

    def hold(self, value: object) -> None:
        """Bind an object, and load into it what was restored; one that is bound already stays as it is.

        Raises:
            UnkeepableError: the object lacks ``state_dict`` or ``load_state_dict``.
            StateMismatchError: the stored state does not fit the object, which is as it was.
            DecodeError: the object does not take the stored state; the state stays, the object is not bound.
        """
        if value is not self._bound:
            super().hold(value)

    def load_into(self, bound: Stateful, stored: object) -> None:
        """Load a stored state into an object, once it is known that it fits."""
        mismatch = self.compare(bound, stored)
        if mismatch:
            kind = type(bound).__name__
            if self.strict:
                raise mismatch.error(kind)
            _log.warning("a stored state goes into %s only in part: %s", kind, mismatch)
            stored = self.fitting(bound, stored, mismatch)
        super().load_into(bound, stored)

    def misfit(self, bound: Stateful, stored: object) -> Mismatch | None:
        """Say what of a stored state is sure not to go into an object, before any of it does."""
        return self.compare(bound, stored)

    def compare(self, bound: Stateful, stored: object) -> Mismatch | None:
        """Say what of a stored state does not fit an object; None where nothing is known to be wrong."""
        del bound, stored
        return None

    def fitting(self, bound: Stateful, stored: object, mismatch: Mismatch) -> object:
        """Give what of a stored state an object can take."""
        del bound, mismatch
        return stored
