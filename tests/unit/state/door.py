"""What stands between a program and the finder of variables, for its tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import pytest

from lattice_addons.errors import UnknownVariableError
from lattice_addons.state._names import find_variable

if TYPE_CHECKING:
    from collections.abc import Callable

    from lattice_addons.state._names_variable import Variable

# A method in a module of the package, with another below it, as in the group.
SOURCE = """
class Door:
    def update(self, key, value):
        return self.hold(value)

    def hold(self, value):
        return find_variable(value)
"""


class Door(Protocol):
    """What `SOURCE` makes."""

    def update(self, key: str, value: object) -> Variable:
        """Give the variable that was passed as the value."""


def make_door() -> Door:
    """Make an object whose update(key, value) gives the variable, from within the package."""
    names: dict[str, Any] = {"__name__": "lattice_addons.state._door", "find_variable": find_variable}
    exec(SOURCE, names)  # noqa: S102 - a module of the package, made for the test
    door: Door = names["Door"]()
    return door


def refusal(update: Callable[[], object]) -> str:
    """Give what the refusal of an update says."""
    with pytest.raises(UnknownVariableError) as caught:
        update()
    return str(caught.value)
