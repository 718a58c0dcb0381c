"""Open files on their way through a restart, for the tests."""

from __future__ import annotations

from typing import IO, Any

from lattice_addons.state import FileState, StateFileManager
from lattice_addons.testing._managers import through_store


def kept(file: IO[Any]) -> FileState:
    """Give the state of an open file, as it comes back from the store."""
    manager = StateFileManager()
    manager.hold(file)
    state = through_store(manager.capture())
    assert isinstance(state, FileState)
    return state


def given_back(state: object) -> Any:
    """Give the open file that a restarted program gets."""
    manager = StateFileManager()
    manager.restore(state)
    return manager.value()
