"""A slot is a name, the manager that has its value, and what the store has for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons.checkpoint import Fresh
from lattice_addons.encoding import encode

from ._file import FileState, StateFileManager, is_file
from ._manager import NoValue, StateManager

if TYPE_CHECKING:
    from lattice_addons.checkpoint import Entry


class Slot:
    """One name of a session.

    ``pending`` is what the store has and nobody has asked for yet; ``good`` is what was last read from
    the store or written to it, kept for the save in which the value itself cannot be stored.
    """

    __slots__ = ("good", "kind", "manager", "name", "pending")

    def __init__(self, name: str, manager: StateManager, stored: Entry | None) -> None:
        self.name = name
        self.kind = type(manager)
        self.manager = manager
        self.pending = stored
        self.good = stored

    def hold(self, value: object) -> None:
        """Take hold of a value of the program's; what was stored and not asked for no longer counts."""
        self._suit(files=is_file(value))
        self.manager.hold(value)
        self.pending = None

    def restore(self, stored: object) -> None:
        """Give the manager what the store had."""
        self._suit(files=isinstance(stored, FileState))
        self.manager.restore(stored)
        self.pending = None

    def capture(self, *, copy: bool) -> Fresh | Entry:
        """Give what is to be stored now; raise `NoValue` when there is nothing and never was."""
        if self.pending is not None:
            return self.pending
        try:
            value = self.manager.capture()
        except NoValue:
            if self.good is None:
                raise
            return self.good
        return Fresh(manager=type(self.manager).__name__, encoded=encode(value, copy=copy))

    def reset(self, stored: Entry | None) -> None:
        """Forget the value; what is stored comes back at the next `get`, into the object that is bound if any."""
        if stored is None:
            self.manager = self.kind()
        self.pending = stored
        self.good = stored

    def _suit(self, *, files: bool) -> None:
        # The default manager hands open files to the manager that knows them, and takes other values back.
        if self.kind is StateManager and files is not isinstance(self.manager, StateFileManager):
            self.manager = StateFileManager() if files else StateManager()
