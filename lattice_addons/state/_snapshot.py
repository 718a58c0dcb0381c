"""All slots of a session are captured at one instant."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from lattice_addons.checkpoint import Fresh, Slots
from lattice_addons.encoding import held
from lattice_addons.errors import NotSavedError, UnkeepableError

from ._blocks import FEWEST, row
from ._hyperparams import hyperparams_in_force
from ._manager import NoValue
from ._ranks import Elsewhere, stored_elsewhere
from ._words import in_words

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from lattice_addons.checkpoint import Checkpoint, Entry, Part

    from ._blocks import Block
    from ._session import Session
    from ._slot import Slot

__all__ = ["Snapshot", "capture", "outcome", "with_what_can_be_read"]

Result = TypeVar("Result")

# How many bytes of pickles are made before they are written, all in all; small ones are made in any case.
_HELD, _SMALL = 32 * 1024 * 1024, 1024 * 1024
# A group of fewer slots has a line in the manifest for each, which a person can read.
_MANY = 1000


@dataclass(frozen=True)
class Snapshot:
    """All slots at one instant, and why some have their last good value instead.

    ``tables`` are the texts of slots with small values, where there are many.
    """

    serial: int
    part: Part | None = None
    slots: dict[str, Fresh | Entry] = field(default_factory=dict)
    tables: list[bytes] = field(default_factory=list)
    failures: dict[str, Exception] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    hyperparams: dict[str, dict[str, object]] = field(default_factory=hyperparams_in_force)
    captured: float = field(default_factory=time.monotonic)

    def give_up(self, name: str, error: Exception, good: Entry | None) -> None:
        """Let a slot that cannot be stored have its last good value, if there is one."""
        self.failures[name] = error
        self.slots.pop(name, None)
        if good is not None:
            self.slots[name] = good

    def stood_still(self, seconds: float) -> None:
        """Say for how long the program stood still, all in all, for a snapshot that was copied."""
        stages = self.metrics["stages"]
        stages["copy"] = round(seconds - stages["capture"], 6)
        self.metrics["standstill"] = round(seconds, 6)

    def not_saved(self, checkpoint: Checkpoint | None) -> NotSavedError:
        """Make the error that names the slots which could not be stored."""
        number = checkpoint.number if checkpoint is not None else None
        told = "; ".join(f"{name!r}: {in_words(error)}" for name, error in self.failures.items())
        where = f"checkpoint {number} has" if number is not None else "the store keeps"
        message = (
            f"{len(self.failures)} of the slots could not be stored; "
            f"{where} their last good value, if they had one: {told}"
        )
        error = NotSavedError(message, failures=dict(self.failures), number=number)
        error.__cause__ = next(iter(self.failures.values()))
        return error


def capture(session: Session, serial: int, part: Part | None = None) -> Snapshot:
    """Capture every slot; the session's gate is closed. What is captured shares memory with the program."""
    begun = time.perf_counter()
    snapshot = _Capture(session, Snapshot(serial, part)).all()
    snapshot.metrics["stages"] = {"capture": round(time.perf_counter() - begun, 6)}
    return snapshot


def outcome(commit: Callable[[], Checkpoint | None]) -> Callable[[], Checkpoint | None]:
    """Commit at once; what is returned gives the checkpoint, or raises what went wrong, when it is called."""
    try:
        checkpoint = commit()
    except Exception as error:  # noqa: BLE001 - it is told where any failed save of this kind is told
        failure = error

        def fail() -> Checkpoint | None:
            raise failure

        return fail
    return lambda: checkpoint


def with_what_can_be_read(session: Session, snapshot: Snapshot, action: Callable[[], Result]) -> Result:
    """Copy or write a snapshot without what cannot be read then: some values are, such as a file's contents."""
    while True:
        try:
            return action()
        except UnkeepableError as error:
            name = getattr(error, "slot", None)
            if name not in snapshot.slots or name in snapshot.failures:
                raise
            snapshot.give_up(name, error, session.last_good(name))


class _Capture:
    def __init__(self, session: Session, snapshot: Snapshot) -> None:
        self._session = session
        self._snapshot = snapshot
        self._left = _HELD

    def all(self) -> Snapshot:
        """Go through what nobody has registered, and through all slots."""
        session, snapshot = self._session, self._snapshot
        untouched = self._untouched_tables()
        for name, source in list(session.unclaimed.items()):
            # One that was registered meanwhile is captured below.
            if name not in untouched and name not in session.slots:
                try:
                    snapshot.slots[name] = source[name]
                except Exception as error:  # noqa: BLE001 - a damaged manifest's; the other slots are saved
                    snapshot.failures[name] = error
        many = len(session.slots) > _MANY
        for block in session.blocks:
            if many:
                self._block(block, untouched)
            else:
                for slot in block.slots:
                    self._slot(slot, untouched)
        return snapshot

    def _untouched_tables(self) -> Collection[str]:
        """Take the tables of which no slot was asked for or given a value since they were stored, as they are."""
        base = self._session.stored.base
        names: set[str] = set()
        if base is not None and isinstance(base.slots, Slots):
            for table in base.slots.tables:
                if table.text is not None and all(self._is_untouched(name, base.slots) for name in table):
                    self._snapshot.tables.append(table.text)
                    names.update(table)
        return names

    def _is_untouched(self, name: str, stored: Slots) -> bool:
        slot = self._session.slots.get(name)
        return (slot.source if slot is not None else self._session.unclaimed.get(name)) is stored

    def _block(self, block: Block, untouched: Collection[str]) -> None:
        flat, others = block.flat()
        rows: dict[str, bytes] = {}
        for slot in others:
            item = self._slot(slot, untouched)
            text = row(item) if item is not None else None
            if text is not None:
                rows[slot.name] = text
        if flat is not None or len(rows) >= FEWEST:
            for name in rows:
                del self._snapshot.slots[name]
            self._snapshot.tables.append(block.table(flat, rows))

    def _slot(self, slot: Slot, untouched: Collection[str]) -> Fresh | Entry | None:
        """Capture one slot by itself."""
        name = slot.name
        if name in untouched:
            return None
        item: Fresh | Entry | None
        good = self._session.last_good(name) if slot.quick is None else None
        try:
            item = stored_elsewhere(slot, self._session, self._snapshot.part)
            if item is None and isinstance(slot.source, Elsewhere):
                return self._as_it_is(name, slot.source)
            item = item or slot.capture(good, max(self._left, _SMALL))
        except NoValue:
            return None
        except Exception as error:  # noqa: BLE001 - whatever a value raises, the other slots are saved
            self._snapshot.give_up(name, error, self._session.last_good(name))
            return None
        self._snapshot.slots[name] = item
        if isinstance(item, Fresh):
            self._left -= held(item.encoded)
        return item

    def _as_it_is(self, name: str, source: Elsewhere) -> Entry | None:
        """Carry on what this rank itself had, of a slot whose value could not be made of what all had."""
        if source.failure is not None:
            self._snapshot.failures[name] = source.failure
        if source.own is not None:
            self._snapshot.slots[name] = source.own
        return source.own
