"""A symbolic manager keeps a variable of the program, by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._manager import StateManager
from ._names import find_variable

if TYPE_CHECKING:
    from ._names_variable import Variable


class StateSymbolicManager(StateManager):
    """Keep the variable that is passed: its value is the one that the variable has at every ``value`` and ``capture``.

    The call names the variable: ``mgr.update('loss', loss)`` tracks ``loss`` where that call stands. It can be a
    module's global, a local of a function (this very call of it), a variable of a function around it, of a class
    body, a comprehension or a generator, or a name in what ``exec`` or a notebook runs. What is passed must be a
    plain variable; for ``self.loss``, ``losses[0]`` or ``a if b else c`` use `StateClosureManager`.

    When the function has returned, its variable has the last value it had; the function's locals stay in memory
    until the value is next wanted, or another ``update``. A variable that was deleted keeps the value that was last
    seen in it, and a warning says so. After a restart the stored value is the value until the next ``update``.
    """

    __module__ = "lattice_addons.state"

    _variable: Variable | None = None

    def hold(self, value: object) -> None:
        """Take hold of the variable that the program passed.

        Raises:
            UnknownVariableError: it was no plain variable, or it cannot be told for certain which one.
        """
        self._variable = find_variable(value)

    def capture(self) -> object:
        """Give the value that the variable has now, or what was restored, or raise `NoValue`."""
        return super().capture() if self._variable is None else self._variable.read()

    def restore(self, stored: object) -> None:
        """Take back a value; it is the value until the next variable is held."""
        super().restore(stored)
        self._variable = None
