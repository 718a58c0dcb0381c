"""From a process's start to its end: slots captured together, and committed as one checkpoint."""

from __future__ import annotations

import time
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

from lattice_addons.errors import DamagedError, DuplicateSlotError, NotSavedError, UnknownSlotError
from lattice_addons.lifecycle import Gate, attach, leave_behind, log_from

from ._blocks import Blocks
from ._instants import COMPLETE
from ._keys import check_key
from ._manager import NoValue
from ._ranks import Elsewhere, settle
from ._refused import note_refused, noting
from ._resume import Progress
from ._slot import Slot
from ._snapshot import Snapshot, capture, outcome, with_what_can_be_read
from ._stored import Stored
from ._way_back import WayBack

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lattice_addons.checkpoint import Checkpoint, Entry
    from lattice_addons.settings import Settings

    from ._manager import StateManager
    from ._ranks import Rule
    from ._turns import Turns


class Session:
    """The slots of one group, saved together when lifecycle or the program says so.

    ``own`` tells that the program gave the settings itself, so that children and tests may save, too.
    """

    def __init__(self, settings: Settings, *, own: bool) -> None:
        log_from(settings.loglevel)
        self.settings = settings
        self.gate: Gate = Gate()
        self.slots: dict[str, Slot] = {}
        self.blocks: Blocks = Blocks()
        self.loops: list[weakref.ref[Turns[Any]]] = []
        # Loops that were left within an element, by an exception or a break: it will be worked on again.
        self.broken_off: dict[str, Callable[[], None] | None] = {}
        self.completed: bool = False
        self.completions: int = 0
        self.let_go = False  # nobody holds the group any more
        self.way_back: WayBack = WayBack()
        self.stored: Stored = Stored(settings, own=own)
        # What was read from the store or written to it last: for saves in which a value cannot be stored.
        self._good: Mapping[str, Entry] = self.stored.base_slots or {}
        # Slots whose stored value counts no more, each with the number of the last snapshot that has it.
        self._void: dict[str, int] = {}
        # Slots in the store that nobody has registered yet: they go into the next checkpoint as they are.
        self.unclaimed: dict[str, Mapping[str, Entry]] = dict.fromkeys(self._good, self._good)
        self.deleted: set[str] = set()
        # Slots that were deleted and registered again, whose value stands in a checkpoint of this session.
        self._reclaimed: set[str] = set()
        self._serial = 0
        self.refused: partial[None] = partial(note_refused, self.stored)
        self.attachment = attach(self) if self.stored.passive is None else None
        if (way := self.stored.way) is not None:
            # Also for a group that nobody holds any more when the program ends.
            self._leave = weakref.finalize(self, leave_behind, way, settings.grace)
            self._leave.atexit = False

    # -- slots

    def add(
        self, key: str, manager: StateManager, *, auto_load: bool = True, rule: Rule | None = None
    ) -> Slot:
        """Make a slot; what the store has for it waits until it is asked for."""
        check_key(key)
        with self.gate:
            if key in self.slots:
                message = f"slot {key!r} is registered already; use another name, or delete({key!r}) first"
                raise DuplicateSlotError(message, slot=key)
            source = self.stored.source(key, rule, self.unclaimed.pop(key, None))
            self.deleted.discard(key)
            slot = self.slots[key] = Slot(key, manager, source if auto_load else None, rule)
            manager.enter(self, key)
            self.blocks.add(slot)
            elsewhere = isinstance(source, Elsewhere)
            if source is not None and slot.source is not self.stored.base_slots and not elsewhere:
                self._reclaimed.add(key)
            return slot

    def slot(self, key: str) -> Slot:
        """Give the slot of this name."""
        try:
            return self.slots[key]
        except (KeyError, TypeError):
            known = ", ".join(map(repr, self.slots)) or "none"
            message = f"no slot is named {key!r}; registered: {known}. Use register({key!r}) first."
            raise UnknownSlotError(message, slot=key) from None

    def hold(self, key: str, value: object) -> None:
        """Let a slot take hold of a value."""
        slot = self.slot(key)
        if slot.source is not None and slot.manager.restore_first:
            self._rehydrate(slot)
        # Other threads' snapshots are not excluded: the lock order of the program's own locks and ours would
        # then decide between life and deadlock. A manager takes hold in one step.
        with self.gate.busy():
            slot.hold(value)
        self.way_back.held(slot)
        self.completed = False
        if self.attachment is not None:
            self.attachment.verify()

    def value(self, key: str) -> object:
        """Give a slot's value to the program, read from the store if need be; None when there is none."""
        slot = self.slot(key)
        if slot.source is not None:
            self._rehydrate(slot)
        try:
            return slot.manager.value()
        except NoValue:
            return None

    def forget(self, key: str) -> None:
        """Drop a slot from this process."""
        self.slot(key)
        with self.gate:
            slot = self.slots.pop(key)
            self.blocks.remove(slot)
            # What is stored stays stored, as for a slot that nobody has registered. A loop begins anew.
            if isinstance(slot.manager, Progress):
                self._void[key] = self._serial
                return
            self.deleted.add(key)
            if key in self._good and key not in self._void:
                self.unclaimed[key] = self._good

    def last_good(self, key: str) -> Entry | None:
        """Give what was last read from the store for a slot, or written to it."""
        try:
            return None if key in self._void else self._good.get(key)
        except DamagedError:
            return None

    def empty(self, key: str) -> None:
        """Let a slot have no value, not even the stored one."""
        with self.gate:
            self.slot(key).reset(None)
            self._void[key] = self._serial

    def reload(self) -> None:
        """Let every slot have what is newest in the store."""
        with self.gate:
            self.stored.reload()
            self._good, self._void = self.stored.base_slots or {}, {}
            self.unclaimed = dict.fromkeys(self._good, self._good)
            self._reclaimed.clear()
            for name, slot in self.slots.items():
                slot.reset(self.stored.source(name, slot.rule, self.unclaimed.pop(name, None)))
                if slot.source is not None and slot.manager.restore_first:
                    # The program uses the bound object itself and may never ask for it here.
                    self._rehydrate(slot)

    def _rehydrate(self, slot: Slot) -> None:
        # Under the gate, so that no snapshot sees a value half restored.
        with self.gate:
            self.way_back.read(slot)
            if slot.source is not None:
                slot.restore(self.stored.read(slot, slot.source))

    # -- saving

    def snapshot(self, reason: str | None = None, step: int | None = None) -> Snapshot:
        """Capture every slot; what is captured shares memory with the program. Without a reason it is no save."""
        with self.gate:
            part = None
            if reason is not None:
                settled = self.stored.moved is None or settle(self, reason)
                part = self.stored.instants.next(reason, step, settled=settled)
            self._serial += 1
            return capture(self, self._serial, part)

    def commit(
        self, snapshot: Snapshot, reason: str, notes: Sequence[str] = (), *, whole: bool = False
    ) -> Checkpoint | None:
        """Write a snapshot; raise `NotSavedError`, after that (``whole``: before), if slots keep their last value."""
        with noting(self.stored, reason):
            if whole and snapshot.failures:
                raise snapshot.not_saved(None)
            commit = partial(self.stored.commit, snapshot, reason=reason, notes=notes)
            checkpoint = commit() if whole else with_what_can_be_read(self, snapshot, commit)
            if checkpoint is not None:
                self._learn(snapshot.serial)
            if snapshot.failures and self.stored.passive is None:
                raise snapshot.not_saved(checkpoint)
            return checkpoint

    def _learn(self, serial: int) -> None:
        # No gate: the thread that writes must not wait for a program that waits for it in a closed section.
        good = self._good = {} if (newest := self.stored.newest) is None else newest.slots
        for name, last in list(self._void.items()):
            if last < serial:
                self._void.pop(name, None)
        for name in list(self.deleted):
            if name in good and name in self.deleted:
                self.unclaimed[name] = good  # it was being written when it was deleted
        for name in list(self._reclaimed):
            slot = self.slots.get(name)
            if slot is None or slot.source is None:
                self._reclaimed.discard(name)
            elif name in good:
                slot.source = good  # unlike the one before, this checkpoint stays

    def save(
        self, reason: str, notes: Sequence[str] = (), step: int | None = None, *, whole: bool = False
    ) -> Checkpoint | None:
        """Save all slots now; everything is on disk when this returns."""
        if self.stored.passive is not None:
            return None
        # The gate stays closed while live memory is written, so that disciplined threads cannot tear it.
        with self.gate:
            with noting(self.stored, reason):
                snapshot = self.snapshot(reason, step)
            return self.commit(snapshot, reason, notes, whole=whole)

    def ready(self) -> bool:
        """Say whether every value can be captured now: not in the middle of a write to a held file."""
        slots = list(self.slots.values())
        return all(slot.quick or slot.source is not None or slot.manager.ready() for slot in slots)

    def save_now(self, reason: str, notes: Sequence[str] = ()) -> None:
        """Save because lifecycle says so (at exit, on a signal)."""
        if not self._is_over():
            told = (f"mid-element: {key}" for key in self.broken_off if key in self.slots)
            self.save(reason, list(dict.fromkeys((*notes, *told))))

    def _is_over(self) -> bool:
        # Where nobody holds the group, a store that was removed, as a test does, is not made anew.
        lease = self.stored.line.lease if self.let_go and self.stored.line is not None else None
        return self.completed or (lease is not None and lease.is_over())

    def begin_save(self, reason: str, notes: Sequence[str] = ()) -> Callable[[], None]:
        """Take the snapshot now; what is returned writes it."""
        if self._is_over():
            return lambda: None
        commit = self.prepare_save(reason, notes)

        def write() -> None:
            commit()

        return write

    def prepare_save(
        self, reason: str, notes: Sequence[str] = (), step: int | None = None
    ) -> Callable[[], Checkpoint | None]:
        """Take the snapshot now, so that the program may go on; what is returned writes it, or says what was wrong."""
        if self.stored.passive is not None:
            return lambda: None
        with noting(self.stored, reason), self.gate:
            begun = time.perf_counter()
            snapshot = self.snapshot(reason, step)
            copied = with_what_can_be_read(self, snapshot, lambda: self.stored.detach(snapshot.slots))
            if copied is None:  # it would take too much memory
                return outcome(lambda: self.commit(snapshot, reason, notes))
            snapshot.slots.update(copied)
            snapshot.stood_still(time.perf_counter() - begun)
        return lambda: self.commit(snapshot, reason, notes)

    def complete(self) -> Checkpoint | None:
        """Commit that the work is done."""
        # One step for signals and periods: a save between the two lines would open the work again.
        with self.gate:
            try:
                checkpoint = self.save(COMPLETE)
            except NotSavedError:
                # Written all the same: a value that could not be stored does not open the work again.
                self._end_work()
                raise
            self._end_work()
            return checkpoint

    def _end_work(self) -> None:
        self.completed = True
        self.completions += 1

    def settle(self, seconds: float, tell: Callable[[str], None]) -> str | None:
        """Wait until what is committed is where it must go; else say what is not, and what to do."""
        way = self.stored.way
        return None if way is None else way.settle(seconds, tell)

    def close(self) -> None:
        """Take the hooks off and give the lease back; nothing is saved."""
        if self.attachment is not None:
            self._leave()
            self.attachment.detach()
            self.attachment = None
        self.stored.close()
