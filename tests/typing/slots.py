"""Programs that keep slots, as a type checker sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from typing_extensions import assert_type

from lattice_addons import (
    LatticeError,
    Settings,
    StateCopyManager,
    StateDictManager,
    StateManager,
    StateManagerGroup,
    StateSymbolicManager,
)
from lattice_addons.errors import LeaseHeldError, NotSavedError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator


def counted() -> int:
    """A slot's value is whatever the program gave; a variable with a type takes it as that."""
    group = StateManagerGroup()
    assert_type(group, StateManagerGroup)
    group.register("count")
    group.register("copy", StateCopyManager)
    group.register("name", manager=StateSymbolicManager, auto_load=False)
    count: int = group.get("count") or 0
    assert_type(group.get("count"), Any)
    group.update("count", count + 1)
    return count


def read_into() -> None:
    """What is read into an array is that array."""
    group = StateManagerGroup(Settings(root="store", keep=5))
    weights = np.zeros(3)
    read = group.get("weights", into=weights)
    assert_type(read.ndim, int)
    # Where the checker knows NumPy's shapes, the very type of the array.
    weights = read


def resumed(group: StateManagerGroup) -> Iterator[str]:
    """A loop that is resumed has the elements of what it goes through."""
    for name in group.resume(["a", "b"], "names"):
        assert_type(name, str)
        yield name
    for number in group.resume(range(3), "numbers"):
        assert_type(number, int)


def told(group: StateManagerGroup) -> int:
    """An error's facts have types."""
    try:
        group.save()
    except NotSavedError as error:
        assert_type(error.failures, dict[str, BaseException])
    except LeaseHeldError as error:
        assert_type(error.pid, int)
        assert_type(error.host, str)
    except StoreError as error:
        assert_type(error.url, str)
    except LatticeError as error:
        return error.exit_code
    return 0


class Own(StateManager):
    """A manager of one's own."""

    def hold(self, value: object) -> None:
        """Take the value."""
        super().hold(value)


def manage(group: StateManagerGroup, module: object) -> None:
    """Classes are taken where classes are wanted."""
    group.register("own", Own)
    group.register("dict", StateDictManager)
    group.track(module=module)
    with group.atomic():
        group.update("own", 1)
