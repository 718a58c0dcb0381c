"""A copy manager keeps a deep copy: what either side changes afterwards does not show on the other."""

from __future__ import annotations

import copy

from lattice_addons.errors import UnkeepableError

from ._manager import StateManager


class StateCopyManager(StateManager):
    """Keep a deep copy of the value as it was when it was given, and give deep copies of that."""

    __module__ = "lattice_addons.state"

    def hold(self, value: object) -> None:
        """Copy the value and keep the copy.

        Raises:
            UnkeepableError: the value cannot be copied; what was held before stays.
        """
        self._held = _deep_copy(value)

    def value(self) -> object:
        """Give a copy of the copy, or raise `NoValue`."""
        held = self.capture()
        return _deep_copy(held)


def _deep_copy(value: object) -> object:
    try:
        return copy.deepcopy(value)
    except Exception as error:  # __deepcopy__ is the value's own code: anything may come out
        kind = type(value).__name__
        message = (
            f"StateCopyManager cannot copy this {kind} ({type(error).__name__}: {error}); "
            "StateManager keeps the object itself, StateClosureManager what a function makes of it"
        )
        raise UnkeepableError(message) from error
