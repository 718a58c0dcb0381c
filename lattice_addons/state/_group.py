"""A program names what matters to it in one group, and finds it there when it is started again."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from lattice_addons.errors import UnknownSlotError
from lattice_addons.settings import Settings

from ._again import runs_again, stands
from ._into import restore_into
from ._made import Made
from ._manager import StateManager, not_a_manager
from ._process_lock import process_lock
from ._ranks import rule_of
from ._resume import Loops
from ._session import Session
from ._shown import Shown
from ._track import Tracks
from ._turns import finish_element

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Future
    from contextlib import AbstractContextManager

    from lattice_addons.checkpoint import Checkpoint

Value = TypeVar("Value")
_NO_FILES = frozenset({type(None), bool, int, float, complex, str, bytes, list, tuple, dict, set})


class StateManagerGroup(Tracks, Loops, Shown):
    """Named slots, saved together however the program ends, and found again when it is started again.

    ``StateManagerGroup()`` is the process's one group, the same object at every call; its settings are read
    from ``LATTICE_CHECKPOINT_TYPE`` and ``LATTICE_CHECKPOINT_CONFIG``. ``StateManagerGroup(settings)`` is a new
    group with settings of its own; in a notebook's cell that is run again, the one that it made before. Either is saved
    at the program's end, also when nobody holds it any more, as a local of a function that has returned. `close` one
    whose work is done: until then its values stay in memory.

    Raises:
        SettingsError: a setting says what cannot be.
        StoreError: the store cannot be read or written.
        LeaseHeldError: another live process writes this job.
        CheckpointError: there are checkpoints, and none of them can be used.
    """

    __module__ = "lattice_addons.state"

    _of_process: StateManagerGroup | None = None
    _making = process_lock()
    _made: Made[StateManagerGroup] = Made()

    def __new__(cls, settings: Settings | None = None) -> StateManagerGroup:  # noqa: PYI034 - the one of the process
        """Give the process's group, or a new one that has these settings."""
        again = runs_again(sys._getframe(1))  # noqa: SLF001 - the cell of a notebook, or the program
        if settings is not None:
            return (again and StateManagerGroup._made.instead(settings)) or cls._make(settings, own=True)
        with StateManagerGroup._making:
            if StateManagerGroup._of_process is None:
                settings = Settings.from_environ()
                group = again and StateManagerGroup._made.instead(settings)
                StateManagerGroup._of_process = group or cls._make(settings, own=False)
            return StateManagerGroup._of_process

    @classmethod
    def _make(cls, settings: Settings, *, own: bool) -> StateManagerGroup:
        StateManagerGroup._made.make_room(settings)
        group = super().__new__(cls)
        group._session = Session(settings, own=own)
        StateManagerGroup._made.add(group)
        return group

    # -- slots

    def register(
        self,
        key: str,
        manager: type[StateManager] = StateManager,
        auto_load: bool = True,  # noqa: FBT001, FBT002
        *,
        ranks: Literal["replicated", "per-rank", "sharded"] | None = None,
        merge: Callable[[list[Any]], object] | None = None,
    ) -> None:
        """Make a slot named ``key``; what is stored under this name is read at its first `get`.

        With ``auto_load=False`` the stored value stays out of sight until `load`, and in the store until `update`. In a
        notebook's cell that is run again the slot stays as it is; one with another manager takes its place.

        ``ranks`` or ``merge`` says what its value is after a restart with another number of ranks: the same on all
        (``replicated``), that of each rank (``per-rank``; None on additional ones), or what ``merge`` makes of the
        list of all ranks' values. Without them, `get` then raises `RanksChangedError`.

        Raises:
            SettingsError: such a rule cannot be.
            SlotNameError: a name that no slot can have.
            DuplicateSlotError: the name is taken.
            NotAManagerError: ``manager`` is no subclass of `StateManager`.
        """
        if not (isinstance(manager, type) and issubclass(manager, StateManager)):  # type: ignore[redundant-expr]
            raise not_a_manager(manager)
        rule = rule_of(ranks, merge)
        if runs_again(sys._getframe(1)) and stands(self._session, key, manager, rule):  # noqa: SLF001
            return
        self._session.add(key, manager(), auto_load=auto_load, rule=rule)

    def update(self, key: str, value: object) -> None:
        """Give a slot its value, in the way of its manager.

        Raises:
            UnknownSlotError: no slot has this name.
            UnkeepableError: the manager cannot keep such a value.
        """
        session = self._session
        # A program may do this in its innermost loop. Slots and values of the common kinds take one assignment, which
        # no signal can divide; all others take hold in their manager's way.
        try:
            slot = session.slots[key]
        except (KeyError, TypeError):
            slot = session.slot(key)  # raises
        manager, kind = slot.quick, type(value)
        if manager is None or (kind is not slot.suits and kind not in _NO_FILES):
            session.hold(key, value)
            return
        manager._held = value  # noqa: SLF001 - a manager of ours, and this is what its hold() does
        session.completed = False
        if session.attachment is not None:
            session.attachment.glance()

    @overload
    def get(self, key: str | None = None, *, into: None = None) -> Any: ...  # noqa: ANN401 - whatever the program gave

    @overload
    def get(self, key: str | None = None, *, into: Value) -> Value: ...

    def get(self, key: str | None = None, *, into: Any = None) -> Any:
        """Give a slot's value, from the store after a restart; None when there is none.

        Without a key the only slot is meant. With ``into``, an array of the stored type and shape, the value is
        read into its memory, and it becomes the slot's value.

        Raises:
            UnknownSlotError: no slot has this name, or there is not exactly one.
            DamagedError: the stored value is damaged in every checkpoint that has it.
            DecodeError: the stored value cannot be made here (a class that is gone); its bytes are kept.
            UntrustedError: the stored value needs pickle and ``trust`` allows none.
        """
        name = self._only_key() if key is None else key
        session = self._session
        return session.value(name) if into is None else restore_into(session, {name: into}).get(name)

    def restore(self, into: Mapping[str, Value]) -> dict[str, Value]:
        """Read the values of slots into arrays that the program has, all at once, and give those that were filled.

        Each is a NumPy array, or shows its memory as one, of the stored type and shape. It becomes the slot's value,
        as after `get`. A slot that has no value leaves its array as it is.

        Raises:
            DecodeError: a stored value cannot go into its array; nothing was read into any.
            DamagedError: a value is damaged in every checkpoint; its array is of no use, the others are filled.
        """
        return restore_into(self._session, into)

    def delete(self, key: str) -> None:
        """Forget a slot (``'*'``: every slot) in this process; what is stored stays.

        As for a slot that was never registered, its last stored value goes into the next checkpoints and is found
        by the next `register`. A loop whose key is deleted begins anew.

        Raises:
            UnknownSlotError: no slot has this name.
        """
        for name in list(self._session.slots) if key == "*" else [key]:
            self._session.forget(name)

    def list(self) -> list[str]:
        """Give the names of the slots, in the order of their registration."""
        return list(self._session.slots)

    def contain(self, key: str) -> bool:
        """Tell whether a slot has this name."""
        return key in self

    def __contains__(self, key: object) -> bool:
        """Tell whether a slot has this name."""
        return isinstance(key, str) and key in self._session.slots

    def __len__(self) -> int:
        """Count the slots."""
        return len(self._session.slots)

    def __iter__(self) -> Iterator[str]:
        """Go through the names of the slots."""
        return iter(self.list())

    def __bool__(self) -> bool:
        """Be true, also without slots: a group is not a container of what happens to be in it."""
        return True

    def __repr__(self) -> str:
        """Say which job this is and what it has."""
        return f"<StateManagerGroup of job {self._session.stored.job!r}: {', '.join(self) or 'no slots'}>"

    def keygen(self, obj: object) -> str:
        """Make a name that no slot has yet, ``TypeName.n``."""
        name = type(obj).__name__
        number = 1
        while f"{name}.{number}" in self._session.slots or f"{name}.{number}" in self._session.unclaimed:
            number += 1
        return f"{name}.{number}"

    # -- saving

    def save(
        self, *, step: int | None = None, notes: Sequence[str] = (), whole: bool = False
    ) -> Checkpoint | None:
        """Save every slot; all is on disk when this returns. Give the checkpoint, or None where nothing is saved.

        ``step`` names the instant, in a job of several ranks: the parts of all ranks with the same step make one
        checkpoint of the job. Without it they are counted. Steps only rise. ``notes`` are what `lattice log` shows.
        With ``whole`` nothing is saved when a slot could not be stored.

        Raises:
            StepOrderError: the step is not larger than the last one.
            NotSavedError: some slots could not be stored; the others are, and those kept their last good value.
            StoreError: the store cannot be written.
        """
        session = self._session
        session.stored.instants.check(step)
        session.completed = False
        with session.gate.busy():
            finish_element(session)
            return session.save("manual", notes, step=step, whole=whole)

    def async_save(self, *, step: int | None = None) -> Future[Checkpoint | None]:
        """Take the snapshot now and write it in the background; give the future checkpoint.

        The program may change its values as soon as this returns. Errors are those of `save`, raised by
        ``result()`` of the future.
        """
        session = self._session
        session.stored.instants.check(step)
        session.completed = False
        with session.gate.busy():
            finish_element(session)
            commit = session.prepare_save("manual", step=step)
        return session.stored.background.write(commit)

    def load(self) -> None:
        """Go back to what is newest in the store; values of this process that were not saved are forgotten."""
        self._session.reload()

    def atomic(self) -> AbstractContextManager[object]:
        """Give a block in which no snapshot is taken.

        A signal or period that falls due inside is served when the block ends. Blocks exclude each other and
        snapshots, from any thread, and may be nested.
        """
        return self._session.gate

    def pause_periodic_saving(self) -> None:
        """Take no periodic saves until `resume_periodic_saving`."""
        if self._session.attachment is not None:
            self._session.attachment.pause()

    def resume_periodic_saving(self) -> None:
        """Take periodic saves again."""
        if self._session.attachment is not None:
            self._session.attachment.resume()

    def complete(self) -> Checkpoint | None:
        """Say that the work is done: the next start begins afresh.

        Nothing is saved by itself from here on, until the next `update`, `save` or `async_save`. The checkpoints
        stay until retention or ``lattice clear``.
        """
        return self._session.complete()

    def close(self) -> None:
        """Take the group's hooks off and let another process write its job.

        Nothing is saved, but what `async_save` has begun is waited for.
        """
        self._session.close()
        StateManagerGroup._made.forget(self._session)
        with StateManagerGroup._making:
            if StateManagerGroup._of_process is self:
                StateManagerGroup._of_process = None

    def _only_key(self) -> str:
        names = self.list()
        if len(names) != 1:
            known = ", ".join(map(repr, names)) or "none"
            message = f"get() without a key needs exactly one slot; registered: {known}. Use get('NAME')."
            raise UnknownSlotError(message, slot=None)
        return names[0]
