"""What the store has for this process: what it carries on from, and what it has committed since."""

from __future__ import annotations

import errno
import logging
import os
import threading
from contextlib import nullcontext
from typing import TYPE_CHECKING

from lattice_addons.checkpoint import Line
from lattice_addons.errors import LeaseHeldError, NotInStoreError, StoreError
from lattice_addons.lifecycle import job_id, passive_reason, rank, run_id
from lattice_addons.storage import open_store

from ._background import Background
from ._fetch import Fetching
from ._hyperparams import tell_hyperparams
from ._instants import COMPLETE, Instants
from ._ranks import SHARDED, Elsewhere, asking, carried_on, spread, world_of
from ._refused import nested
from ._stats import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from lattice_addons.checkpoint import Checkpoint, Entry, Fresh, Ranks
    from lattice_addons.errors import DamagedError
    from lattice_addons.settings import Settings
    from lattice_addons.storage import Store

    from ._ranks import Moved, Rule
    from ._slot import Slot
    from ._snapshot import Snapshot

log = logging.getLogger("lattice_addons.state")

_LOOKS = 10
# After these nothing comes; how long what is left to do may keep the program then, in seconds.
_ENDS = (COMPLETE, "exit", "exception")
_LAST_MOMENT = 0.5
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Way:
    """The way of a line's checkpoints to where they must go; it outlasts the group that made them."""

    def __init__(self, store: Store, folder: str) -> None:
        self._store = store
        self._folder = folder

    def settle(self, seconds: float, tell: Callable[[str], None]) -> str | None:
        """Wait until all are there; else say what is not, and what to do."""
        return self._store.settle(self._folder, seconds, tell)


class Stored:
    """One process's view of its line of checkpoints.

    ``base`` is the checkpoint it carries on from (None when it begins afresh), ``newest`` the last that is
    committed. ``passive`` says why this process writes nothing, and is None where it does.
    """

    def __init__(self, settings: Settings, *, own: bool) -> None:
        self.settings = settings
        self.job: str = job_id(settings)
        self.rank: int = rank()
        self.base: Checkpoint | None = None
        self.newest: Checkpoint | None = None
        self._pid = os.getpid()
        self._passive = _why_passive(settings, own=own)
        # Re-entrant only so that a thread can tell that it has it: see `commit`.
        self._committing = threading.RLock()
        self.background: Background = Background()
        self._last_serial = 0
        self._line: Line | None = None
        self.ranks: Ranks | None = None
        self.instants: Instants = Instants(None)
        # What other ranks stored, where it was another number of them.
        self.moved: Moved | None = None
        if not settings.disabled and not (self._passive or "").startswith("pytest"):
            self._open()
        self.tally: Tally = Tally(carries_on=self.base is not None)

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
            self.newest = self._carried_on(self._line)
            begun = self.newest is not None and self.newest.reason != COMPLETE
            self.base = self.newest if begun else None
            # Its values are read when they are asked for.
            self._line.protected = frozenset([self.base.number] if self.base else [])
            tell_hyperparams(self.base)
            if self.base is None or self.base.number in self._line.numbers():
                return
            # Another thread's save came in between, and what had become old was deleted.

    def _carried_on(self, line: Line) -> Checkpoint | None:
        """Give what this rank carries on from: of a job of several, all carry on from one instant."""
        self.moved = None
        if self.ranks is None or self.ranks.attempt is None:
            newest = line.newest()
            alone = self.settings.ranks == "alone" or self.passive is not None
            if alone or newest is None or newest.part is None:
                return newest
            from lattice_addons.checkpoint import Ranks

            # Several ran, and now one does.
            self.ranks = self.instants.ranks = Ranks(line, 1, None, unique=False)
        newest, self.moved = carried_on(self.ranks, self.settings.trust)
        return newest

    def source(
        self, name: str, rule: Rule | None, own: Mapping[str, Entry] | None
    ) -> Mapping[str, Entry] | None:
        """Give what is stored for a slot; ``own`` is what this rank itself has stored."""
        moved = self.moved
        if moved is None and rule is not None and rule.ranks == SHARDED:
            moved = spread(self.ranks, self.base, self.settings.trust)
        return moved.source(name, rule, own) if moved is not None else own

    def near_only(self) -> AbstractContextManager[None]:
        """Give a block in which nothing is read over a network."""
        return self._line.store.near_only() if self._line is not None else nullcontext()

    @property
    def line(self) -> Line | None:
        """The line of checkpoints that is read and written; None where nothing is stored."""
        return self._line

    def fetch(self, name: str, entry: Entry, *, older: bool = True) -> object:
        """Read and decode a slot's value; on damage, the newest older value of it that is good, if that will do."""
        if self._line is None:  # pragma: no cover - an entry comes from a line
            raise NotInStoreError(f"slot {name!r} is in no store", url=self.url, key=name)
        return Fetching(self._line, self.base, self.settings.trust).value(name, entry, older=older)

    def read(self, slot: Slot, source: Mapping[str, Entry]) -> object:
        """Read a slot's value from what was found for it, as `fetch` does."""
        if isinstance(source, Elsewhere):
            return source.value()
        return self.fetch(slot.name, source[slot.name], older=slot.manager.takes_older)

    def fill(self, targets: Mapping[str, tuple[Entry, object]]) -> dict[str, DamagedError]:
        """Read the values of slots into memory of the program's, as `fetch` does; give those that are damaged."""
        if self._line is None:  # pragma: no cover - an entry comes from a line
            raise NotInStoreError("there is no store to read from", url=self.url, key="")
        return Fetching(self._line, self.base, self.settings.trust).fill(targets)

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
        if self._committing._is_owned():  # type: ignore[attr-defined]  # noqa: SLF001 - there is no other way to ask
            raise nested()
        with self._committing:
            if self._passive is not None:
                return None  # closed by another thread meanwhile
            nothing = not snapshot.slots and not snapshot.tables and reason != COMPLETE
            nothing = nothing and snapshot.part is None
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
            part=snapshot.part,
            hyperparams=snapshot.hyperparams,
        )

    def _tidy_after(self, line: Line, reason: str) -> None:
        """Have space reclaimed beside what comes next; where nothing comes, for a moment here and now."""
        if reason in _ENDS:
            line.tidier.now(_LAST_MOMENT)
        elif not reason.startswith("signal:"):
            # Nobody knows how long a process that was signalled has.
            line.tidier.soon()

    @property
    def way(self) -> Way | None:
        """What this process has committed, on its way to where it must go; None where it commits nothing."""
        if self._line is None or os.getpid() != self._pid or self._passive not in (None, "closed"):
            return None
        return Way(self._line.store, self._line.folder)

    def close(self) -> None:
        """Let another process write this job."""
        if self._line is not None and self.passive is None:
            self.background.wait()
            # A save in another thread would take the lease again, and nobody would give that back.
            with self._committing:
                if self._last_serial:
                    self._line.tidier.now(_LAST_MOMENT)
                self._line.release()
                self._passive = "closed"
        self._passive = self._passive or "closed"

    def _open(self) -> None:
        world = world_of(self.settings) if self._passive is None else 1
        with asking(self.settings, world) as settings:
            self._open_line(settings)
        if self._line is None:
            return
        try:
            self._join(self._line, world)
            self.reload()
            if self._passive is None:
                # What dead processes left is removed beside what comes next.
                self._line.tidier.soon()
        except BaseException:
            # Nobody will write with this lease, and another group of this process may want it.
            self.close()
            raise

    def _open_line(self, settings: Settings) -> None:
        try:
            store = open_store(settings, create=self._passive is None)
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

    def _join(self, line: Line, world: int) -> None:
        """Agree with the job's other ranks, where there are some, on where all carry on from."""
        if world == 1 or self._passive is not None:
            return
        from lattice_addons.checkpoint import Ranks

        name, unique = run_id(self.settings)
        self.ranks = Ranks(line, world, name, unique=unique)
        self.instants = Instants(self.ranks)
        self.instants.go_on_after(self.ranks.reached())


def _why_passive(settings: Settings, *, own: bool) -> str | None:
    if settings.disabled:
        return "LATTICE_DISABLE is set"
    # Settings of one's own are how a child, a worker or a test says that it does want a job.
    return None if own else passive_reason()
