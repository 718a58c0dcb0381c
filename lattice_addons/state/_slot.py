"""A slot is a name, the manager that has its value, and what the store has for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons.checkpoint import Fresh
from lattice_addons.encoding import AsTree, Experience, encode

from ._file import FileState, StateFileManager, is_file
from ._file_facts import may_be_file
from ._manager import NoValue, StateManager

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lattice_addons.checkpoint import Entry

    from ._ranks import Rule


class Slot:
    """One name of a session.

    ``source`` are the stored slots that have a value for it which nobody has asked for yet. ``quick`` is the manager
    where that is the default one and holds a value: then that is all there is to the slot, and values of the type
    ``suits`` may be put there without looking at them. ``rule`` says what its value is after the number of ranks
    changed.
    """

    __slots__ = ("experience", "kind", "manager", "name", "quick", "rule", "source", "suits")

    def __init__(
        self, name: str, manager: StateManager, source: Mapping[str, Entry] | None, rule: Rule | None = None
    ) -> None:
        self.name: str = name
        self.kind: type[StateManager] = type(manager)
        self.manager: StateManager = manager
        self.source = source
        self.rule: Rule | None = rule
        self.quick: StateManager | None = None
        self.suits: type | None = None
        self.experience: Experience | None = None

    @property
    def pending(self) -> Entry | None:
        """What the store has and nobody has asked for yet."""
        return self.source[self.name] if self.source is not None else None

    def hold(self, value: object) -> None:
        """Take hold of a value of the program's; what was stored and not asked for no longer counts."""
        manager = self._suited(files=is_file(value))
        manager.hold(value)
        self._settle(manager)
        kind = type(value)
        self.suits = None if may_be_file(kind) else kind

    def restore(self, stored: object) -> None:
        """Give the manager what the store had."""
        manager = self._suited(files=isinstance(stored, FileState))
        manager.restore(stored)
        self._settle(manager)

    def capture(self, good: Entry | None, most: int | None = None) -> Fresh | Entry:
        """Give what is to be stored now, or the last good value; raise `NoValue` when there is neither.

        With ``most`` a pickle of more bytes is made only when it is written or copied.
        """
        if self.source is not None:
            return self.source[self.name]
        try:
            value = self.manager.capture()
        except NoValue:
            if good is None:
                raise
            return good
        kind = type(self.manager).__name__
        if self.manager.as_tree:
            value = AsTree(value)
        if most is None:
            return Fresh(kind, encode(value))
        if self.experience is None:
            self.experience = Experience()
        return Fresh(kind, encode(value, experience=self.experience, most=most))

    def reset(self, source: Mapping[str, Entry] | None) -> None:
        """Forget the value; what is stored comes back at the next `get`, into the object that is bound if any."""
        self.quick = None
        if source is None:
            self.manager = self.kind()
        self.source = source

    def _settle(self, manager: StateManager) -> None:
        self.manager, self.source = manager, None
        # One that has a rule is stored by itself: in a table there would be no telling which rank has its value.
        self.quick = self.manager if type(self.manager) is StateManager and self.rule is None else None

    def _suited(self, *, files: bool) -> StateManager:
        # The default manager hands open files to the manager that knows them, and takes other values back. It stays
        # until the other one has the value: one that is refused leaves the value before it.
        if self.kind is StateManager and files is not isinstance(self.manager, StateFileManager):
            return StateFileManager() if files else StateManager()
        return self.manager
