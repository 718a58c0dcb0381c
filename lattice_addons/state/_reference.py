"""A reference manager does not keep its value alive: what the program lets go of is gone here, too."""

from __future__ import annotations

import types
import weakref
from typing import TYPE_CHECKING

from lattice_addons.errors import NoWeakReferenceError

from ._manager import NOTHING, NoValue, StateManager

if TYPE_CHECKING:
    from collections.abc import Callable


class StateRefManager(StateManager):
    """Keep a weak reference to the value.

    A value that the program has let go of is no value: ``capture`` and ``value`` raise `NoValue`, ``get`` of
    the group gives None, and the slot keeps in the store what was last saved. After a restart the manager
    owns the stored value until ``value`` hands it over for the first time.
    """

    __module__ = "lattice_addons.state"

    _refer: Callable[[], object | None] | None = None

    def hold(self, value: object) -> None:
        """Refer to this value weakly.

        Raises:
            NoWeakReferenceError: Python cannot refer to values of this type weakly.
        """
        self._refer = _weakly(value)
        self._held = NOTHING

    def capture(self) -> object:
        """Give the value while it lives, or raise `NoValue`."""
        if self._refer is None:
            return super().capture()
        value = self._refer()
        if value is None:
            raise NoValue
        return value

    def restore(self, stored: object) -> None:
        """Take back a stored value and own it until it is handed over."""
        super().restore(stored)
        self._refer = None

    def value(self) -> object:
        """Hand the value to the program; from then on it is referred to weakly.

        Raises:
            NoWeakReferenceError: a stored value, saved by another manager, that cannot be referred to weakly.
        """
        value = self.capture()
        if self._refer is None:
            self.hold(value)
        return value


def _weakly(value: object) -> Callable[[], object | None]:
    if isinstance(value, types.MethodType):
        # A bound method is made anew at each access: a plain weak reference to one is dead at once.
        return weakref.WeakMethod(value)
    try:
        return weakref.ref(value)
    except TypeError as error:
        kind = type(value).__name__
        message = (
            f"Python has no weak references to {kind}, which StateRefManager needs: "
            "use PicklableDict for a dict, PicklableWrapper(value) for another value, or StateManager"
        )
        raise NoWeakReferenceError(message) from error
