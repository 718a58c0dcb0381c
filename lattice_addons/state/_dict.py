"""A dict manager keeps an object by its ``state_dict``, and gives it back by ``load_state_dict``."""

from __future__ import annotations

import copy
from typing import Protocol, cast

from lattice_addons.errors import DecodeError, UnkeepableError

from ._manager import NOTHING, StateManager


class Stateful(Protocol):
    """An object that gives its state and takes it back, as models and optimizers do."""

    def state_dict(self) -> object: ...

    def load_state_dict(self, state_dict: object) -> object: ...


class StateDictManager(StateManager):
    """Bind an object; its ``state_dict()`` is what is stored.

    After a restart ``hold`` loads the stored state into the object that the program gives. Before that, the
    value is the stored state itself.
    """

    __module__ = "lattice_addons.state"

    restore_first = True
    _bound: Stateful | None = None

    def hold(self, value: object) -> None:
        """Bind an object, and load into it what was restored.

        Raises:
            UnkeepableError: the object lacks ``state_dict`` or ``load_state_dict``.
            DecodeError: the object does not take the stored state; the state stays, the object is not bound.
        """
        needed = ("state_dict", "load_state_dict")
        missing = [name for name in needed if not callable(getattr(value, name, None))]
        if missing:
            lacks = " and no ".join(missing)
            kind = type(value).__name__
            raise UnkeepableError(
                f"StateDictManager needs state_dict() and load_state_dict(); {kind} has no {lacks}"
            )
        fresh = cast("Stateful", value)
        if self._held is not NOTHING:
            self.load_into(fresh, self._held)
        self._bound, self._held = fresh, NOTHING

    def capture(self) -> object:
        """Give the state of the bound object, or what was restored, or raise `NoValue`."""
        return super().capture() if self._bound is None else self._bound.state_dict()

    def restore(self, stored: object) -> None:
        """Take back a state; it is loaded into the object that is bound, now or when there is one.

        Raises:
            DecodeError: the bound object does not take it.
        """
        if self._bound is None:
            super().restore(stored)
        else:
            self.load_into(self._bound, stored)

    def value(self) -> object:
        """Give the bound object, or the stored state before there is one, or raise `NoValue`."""
        return super().capture() if self._bound is None else self._bound

    def load_into(self, bound: Stateful, stored: object) -> None:
        """Load a state into an object.

        Raises:
            DecodeError: the object does not take it.
        """
        kind = type(bound).__name__
        try:
            # A copy, since some take items out of what they are given; the stored state must outlive a failure.
            self.give(bound, copy.copy(stored))
        except DecodeError:
            raise  # of ours, which says itself what does not fit
        except Exception as error:  # load_state_dict is the object's own code: anything may come out
            message = (
                f"{kind}.load_state_dict() refused the stored state ({type(error).__name__}: {error}); "
                "the state stays stored: give an object that fits it, or get() the state and load it yourself"
            )
            raise DecodeError(message, type=kind) from error

    def give(self, bound: Stateful, state: object) -> None:
        """Give an object its state, in the object's own way."""
        bound.load_state_dict(state)
