"""A closure manager keeps a function, and calls it whenever the value is wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons.errors import UnkeepableError

from ._manager import StateManager

if TYPE_CHECKING:
    from collections.abc import Callable


class StateClosureManager(StateManager):
    """Keep a callable without arguments; its result is the value, anew at every ``value`` and ``capture``.

    After a restart the stored result is the value until the next ``hold``. What the callable raises passes
    through unchanged: the program sees it in ``value``; in a save the group keeps the last good result.
    """

    __module__ = "lattice_addons.state"

    _call: Callable[[], object] | None = None

    def hold(self, value: object) -> None:
        """Take hold of a callable.

        Raises:
            UnkeepableError: the value cannot be called.
        """
        if not callable(value):
            shown = type(value).__name__
            message = f"StateClosureManager keeps a callable, and got {shown}; write `lambda: variable`"
            raise UnkeepableError(message)
        self._call = value

    def capture(self) -> object:
        """Call the callable and give its result, or what was restored, or raise `NoValue`."""
        return super().capture() if self._call is None else self._call()

    def restore(self, stored: object) -> None:
        """Take back a result; it is the value until the next callable is held."""
        super().restore(stored)
        self._call = None
