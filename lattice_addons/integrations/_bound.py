"""An object of a framework stays the program's own: what is stored of it goes back into it."""

from __future__ import annotations

from typing import Any

from lattice_addons.state import NoValue, StateManager

__all__ = ["BoundManager"]


class BoundManager(StateManager):
    """Bind an object; a subclass says how its state is got (``state_of``) and given (``give``)."""

    restore_first = True
    _bound: Any = None
    _waiting: Any = None

    def hold(self, value: object) -> None:
        """Bind an object, and let it be what was stored; one that is bound already stays as it is."""
        if value is not self._bound:
            if self._waiting is not None:
                self.give(value, self._waiting)
            self._bound, self._waiting = value, None

    def capture(self) -> object:
        """Give the state of the bound object, or what was restored, or raise `NoValue`."""
        if self._bound is not None:
            return self.state_of(self._bound)
        if self._waiting is None:
            raise NoValue
        return self._waiting

    def restore(self, stored: object) -> None:
        """Take back a state; it goes into the object that is bound, now or when there is one."""
        if self._bound is None:
            self._waiting = stored
        else:
            self.give(self._bound, stored)

    def value(self) -> object:
        """Give the bound object, or what is stored before there is one, or raise `NoValue`."""
        return self.capture() if self._bound is None else self._bound

    def state_of(self, bound: Any) -> object:
        """Give what is to be stored of an object."""
        raise NotImplementedError

    def give(self, bound: Any, stored: Any) -> None:
        """Let an object be what is stored."""
        raise NotImplementedError
