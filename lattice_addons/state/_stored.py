"""What the store has for this process: what it carries on from, and what it has committed since."""

from __future__ import annotations

import errno
import logging
import os
import threading
from functools import partial
from typing import TYPE_CHECKING

from lattice_addons.checkpoint import Line
from lattice_addons.encoding import decode
from lattice_addons.errors import CheckpointError, DamagedError, LeaseHeldError, NotInStoreError, StoreError
from lattice_addons.lifecycle import job_id, passive_reason, rank
from lattice_addons.storage import open_store

from ._into import fill
from ._stats import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from lattice_addons.checkpoint import Checkpoint, Entry, Fresh
    from lattice_addons.settings import Settings

    from ._snapshot import Snapshot

log = logging.getLogger("lattice_addons.state")

COMPLETE = "complete"
_LOOKS = 10
# After these nothing comes; how long what is left to do may keep the program then, in seconds.
_ENDS = (COMPLETE, "exit", "exception")
_LAST_MOMENT = 0.5
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Stored:
    """One process's view of its line of checkpoints.

    ``base`` is the checkpoint it carries on from (None when it begins afresh), ``newest`` the last that is
    committed. ``passive`` says why this process writes nothing, and is None where it does.
    """

    def __init__(self, settings: Settings, *, own: bool) -> None:
        self.settings = settings
        self.job = job_id(settings)
        self.rank = rank()
        self.base: Checkpoint | None = None
        self.newest: Checkpoint | None = None
        self._pid = os.getpid()
        self._passive = _why_passive(settings, own=own)
        self._committing = threading.Lock()
        self._last_serial = 0
        self._line: Line | None = None
        if not settings.disabled and not (self._passive or "").startswith("pytest"):
            self._open()
        self.tally = Tally(carries_on=self.base is not None)

    @property
    def passive(self) -> str | None:
        """Why this process saves nothing, or None."""
        if self._passive is None and os.getpid() != self._pid:
            return f"a forked child of process {self._pid}"
        return self._passive

    @property
    def url(self) -> str:
        """Where the store is."""
        return self.settings.root

    @property
    def base_slots(self) -> Mapping[str, Entry] | None:
        """What it carries on from."""
        return self.base.slots if self.base is not None else None

    def reload(self) -> None:
        """Carry on from what is newest in the store now."""
        if self._line is None:
            return
        for _ in range(_LOOKS):
            self.newest = self._line.newest()
            begun = self.newest is not None and self.newest.reason != COMPLETE
            self.base = self.newest if begun else None
            # Its values are read when they are asked for.
            self._line.protected = frozenset([self.base.number] if self.base else [])
            if self.base is None or self.base.number in self._line.numbers():
                return
            # Another thread's save came in between, and what had become old was deleted.

    def fetch(self, name: str, entry: Entry) -> object:
        """Read and decode a slot's value; on damage, the newest older value of it that is good."""
        if self._line is None:  # pragma: no cover - an entry comes from a line
            raise NotInStoreError(f"slot {name!r} is in no store", url=self.url, key=name)
        read = partial(self._decode, name, self._line)
        try:
            return read(entry)
        except DamagedError as damage:
            return self._fetch_older(name, damage, read)

    def fill(self, targets: Mapping[str, tuple[Entry, object]]) -> dict[str, DamagedError]:
        """Read the values of slots into memory of the program's, as `fetch` does; give those that are damaged."""
        if self._line is None:  # pragma: no cover - an entry comes from a line
            raise NotInStoreError("there is no store to read from", url=self.url, key="")
        return fill(self._line, targets, self._fetch_older)

    def detach(self, slots: Mapping[str, Fresh | Entry]) -> dict[str, Fresh | Entry] | None:
        """Give slots that share no memory with the program; None when that would take too much memory."""
        return self._line.detach(slots) if self._line is not None else dict(slots)

    def dirty(self, slots: Mapping[str, Fresh]) -> int:
        """Give how many bytes of these slots' buffers are not stored."""
        if self._line is None:
            return sum(slot.encoded.size - len(slot.encoded.value or b"") for slot in slots.values())
        return self._line.dirty(slots)

    def commit(self, snapshot: Snapshot, *, reason: str, notes: Sequence[str] = ()) -> Checkpoint | None:
        """Write a checkpoint of a snapshot.

        One that is older than one already committed is dropped: the newest number must be the newest state.
        """
        if self._line is None or self.passive is not None:
            return None
        with self._committing:
            nothing = not snapshot.slots and not snapshot.tables and reason != COMPLETE
            if snapshot.serial < self._last_serial or nothing:
                return self.newest
            try:
                self.newest = self._write(self._line, snapshot, reason, notes)
            except StoreError as error:
                # What can go anyway may be what the disk is full of.
                if getattr(error, "errno", None) not in _FULL or not self._line.make_room():
                    raise
                self.newest = self._write(self._line, snapshot, reason, notes)
            self._last_serial = snapshot.serial
            self.tally.add(self.newest, snapshot.captured)
        self._tidy_after(self._line, reason)
        return self.newest

    def _write(self, line: Line, snapshot: Snapshot, reason: str, notes: Sequence[str]) -> Checkpoint:
        return line.commit(
            snapshot.slots,
            tables=snapshot.tables,
            parent=self.newest.number if self.newest is not None else None,
            reason=reason,
            notes=notes,
            metrics=snapshot.metrics,
        )

    def _tidy_after(self, line: Line, reason: str) -> None:
        """Have space reclaimed beside what comes next; where nothing comes, for a moment here and now."""
        if reason in _ENDS:
            line.tidier.now(_LAST_MOMENT)
        elif not reason.startswith("signal:"):
            # Nobody knows how long a process that was signalled has.
            line.tidier.soon()

    def close(self) -> None:
        """Let another process write this job."""
        if self._line is not None and self.passive is None:
            if self._last_serial:
                self._line.tidier.now(_LAST_MOMENT)
            self._line.release()
        self._passive = self._passive or "closed"

    def _open(self) -> None:
        try:
            store = open_store(self.settings, create=self._passive is None)
        except NotInStoreError:
            if self._passive is None:
                raise  # a root that cannot even be made: nothing would ever be saved
            return
        self._line = Line(store, self.job, self.rank, settings=self.settings)
        if self._passive is None:
            try:
                self._line.acquire()
            except LeaseHeldError as held:
                if not getattr(held, "ancestor", False):
                    raise
                self._passive = f"a child of process {held.pid}, which writes job {self.job!r}"
                log.warning(
                    "this process is %s: it saves nothing; set LATTICE_JOB_ID to let it", self._passive
                )
        try:
            self.reload()
            if self._passive is None:
                # What dead processes left is removed beside what comes next.
                self._line.tidier.soon()
        except BaseException:
            # Nobody will write with this lease, and another group of this process may want it.
            self.close()
            raise

    def _decode(self, name: str, line: Line, entry: Entry) -> object:
        value, buffers = line.read(entry, slot=name)
        return decode(entry.encoding, value, buffers, trust=self.settings.trust, type=entry.type)

    def _fetch_older(self, name: str, damage: DamagedError, read: Callable[[Entry], object]) -> object:
        for other in self._others(name):
            try:
                value = read(other.slots[name])
            except DamagedError:
                continue
            log.warning(
                "slot %r cannot be read (%s); its value is the one of checkpoint %d",
                name, damage, other.number,
            )  # fmt: skip
            return value
        message = f"slot {name!r} is damaged in every checkpoint that has it: {damage}"
        if self.base is not None and self._line is not None and self.base.number not in self._line.numbers():
            message = (
                f"slot {name!r} cannot be read: checkpoint {self.base.number}, from which this process carries on, "
                f"was removed meanwhile by the one that writes the job; load() gives what is newest ({damage})"
            )
        raise DamagedError(message, key=damage.key) from damage

    def _others(self, name: str) -> Iterator[Checkpoint]:
        """Give the checkpoints that may have a slot's value though it cannot be read where it should be."""
        assert self._line is not None  # noqa: S101 - the damaged entry came from it
        number = self.base.number if self.base is not None else None
        known = self.base.slots.get(name) if self.base is not None else None
        try:
            newest = self._line.newest()
        except CheckpointError:
            newest = None
        # A value that nobody has asked for is carried forward, perhaps to another place; but nothing newer is to be
        # mixed with what this process carries on from.
        if newest is not None and (number is None or newest.number > number):
            entry = newest.slots.get(name)
            if entry is not None and (known is None or _digests(entry) == _digests(known)):
                yield newest
        for older in self._line.history(before=number):
            if older.reason == COMPLETE:
                break
            if name in older.slots:
                yield older


def _digests(entry: Entry) -> tuple[object, ...]:
    return entry.encoding, entry.value, [chunk.digest for chunk in entry.chunks()]


def _why_passive(settings: Settings, *, own: bool) -> str | None:
    if settings.disabled:
        return "LATTICE_DISABLE is set"
    # Settings of one's own are how a child, a worker or a test says that it does want a job.
    return None if own else passive_reason()
