"""One rank's line of checkpoints: committed, read back, and kept within bounds."""

from __future__ import annotations

import logging
import threading
import weakref
from functools import partial
from typing import TYPE_CHECKING

from lattice_addons.checkpoint._ahead import manifests_ahead
from lattice_addons.checkpoint._catalog import Catalog
from lattice_addons.checkpoint._cipher import cipher_of
from lattice_addons.checkpoint._commit import Commit
from lattice_addons.checkpoint._detach import detach, dirty
from lattice_addons.checkpoint._fill import fill
from lattice_addons.checkpoint._in_flight import InFlight
from lattice_addons.checkpoint._keeps import Keeps
from lattice_addons.checkpoint._kept import KEPT, budget
from lattice_addons.checkpoint._last_good import LastGood, older_entry
from lattice_addons.checkpoint._layout import manifest_key, manifest_number, rank_folder
from lattice_addons.checkpoint._lease import Lease
from lattice_addons.checkpoint._manifest import parse
from lattice_addons.checkpoint._opened import of_slot, only_listed
from lattice_addons.checkpoint._program import program as this_program
from lattice_addons.checkpoint._read import once_more, read_buffers
from lattice_addons.checkpoint._tidy import Tidier
from lattice_addons.checkpoint._tidying import Tidying
from lattice_addons.checkpoint._together import Together
from lattice_addons.checkpoint._verify import verify
from lattice_addons.errors import CheckpointError, DamagedError, FormatError, NotInStoreError, WrongKeyError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from lattice_addons.checkpoint._cipher import Cipher
    from lattice_addons.checkpoint._commit import Table
    from lattice_addons.checkpoint._model import Checkpoint, Entry, Finding, Fresh
    from lattice_addons.checkpoint._part import Part
    from lattice_addons.checkpoint._pieces import Saved
    from lattice_addons.settings import Settings
    from lattice_addons.storage import Store

__all__ = ["Line"]

_log = logging.getLogger("lattice_addons.checkpoint")
_LISTINGS = 10
# How long a step of tidying up may take before the lease is not waited with any more, in seconds.
_PATIENCE = 60.0


class Line:
    """The checkpoints of one rank of a job.

    Any process may read; the one that has the lease writes, with any of its threads.
    """

    __module__ = "lattice_addons.checkpoint"

    def __init__(self, store: Store, job: str, rank: int = 0, *, settings: Settings) -> None:
        self.store = store
        self.job = job
        self.rank = rank
        self.settings = settings
        self.folder: str = rank_folder(job, rank)
        self.cipher: Cipher | None = cipher_of(settings, self.folder)
        self.keeps: Keeps = Keeps(store, self.folder, self.cipher)
        self.lease: Lease = Lease(store, job, rank)
        self.together: Together = Together(rank)
        self._catalog = Catalog()
        self._last_good = LastGood(store, self.folder, self._catalog)
        self._last = 0
        self._aside: int | None = None  # the last number put aside, which only who has the lease does
        self._seen: dict[tuple[str, int], list[Saved]] = {}
        self._lost: tuple[int, set[str]] = (0, set())
        # Held by a commit, and by who tidies up while it is settled what goes.
        self._settling = threading.Lock()
        self._in_flight = InFlight()
        self.protected: frozenset[int] = frozenset()  # stay though they need not
        self.tidier: Tidier = Tidier(weakref.WeakMethod(self.tidy))

    def __repr__(self) -> str:
        """Show which line it is."""
        return f"<Line {self.folder} in {self.store.url}>"

    def acquire(self) -> None:
        """Take the lease; `LeaseHeldError` when another live process, or another line of this one, has it."""
        self.lease.acquire()

    def release(self) -> None:
        """Let another process write."""
        # What is being deleted must be gone before somebody else may refer to it.
        if self.tidier.stop(_PATIENCE):
            self._aside = None
            self.lease.release()

    def numbers(self) -> list[int]:
        """Give the numbers of the checkpoints that are there, whether good or not, in order."""
        keys = self.store.list(f"{self.folder}checkpoints/")
        return sorted(number for number in map(manifest_number, keys) if number is not None)

    def fetched(self, numbers: Iterable[int]) -> Iterator[int]:
        """Give the same numbers, in the same order, to be loaded: over a network several manifests come at once."""
        return manifests_ahead(self.store, self.folder, numbers)

    def load(self, number: int) -> Checkpoint:
        """Read a checkpoint's manifest.

        Raises:
            NotInStoreError: there is no such checkpoint.
            DamagedError, UntrustedError, FormatError: it cannot be used.
        """
        checkpoint = self._parsed(number)
        self._catalog.add(checkpoint)
        return checkpoint

    def _parsed(self, number: int) -> Checkpoint:
        key = manifest_key(self.folder, number)
        place = (self.job, self.rank, number)
        read = partial(read_buffers, self.store, self.folder)
        where = f"{self.store.url}/{key}"

        def parsed() -> Checkpoint:
            return parse(self.store.read(key), self.settings.key, where, place, read, self.cipher)

        return once_more(self.store, parsed, key)

    def newest(self) -> Checkpoint | None:
        """Give the newest good checkpoint; None when there is none at all.

        Raises:
            CheckpointError: there are some, and none is good; or the newest is of a newer format.
        """
        for _ in range(_LISTINGS):
            numbers = self.numbers()
            worst: CheckpointError | None = None
            for number in reversed(numbers):
                try:
                    return self._whole(number)
                except NotInStoreError:
                    continue
                except (FormatError, WrongKeyError):
                    # A newer Lattice, or who has the key, went on from here: an older state would undo what it did.
                    raise
                except CheckpointError as error:
                    _log.warning("checkpoint %d of %s is passed over: %s", number, self.job, error)
                    worst = worst or error
            if worst is not None:
                raise worst
            if not numbers:
                return None
            # All that were listed are gone: the writer went on meanwhile, and what is there now is newer.
        raise only_listed(self.store, self.folder)

    def _whole(self, number: int) -> Checkpoint:
        """Load a checkpoint with its tables: what is damaged in them is passed over as a manifest is.

        Its chunks are learned when something is written: who wants one slot need not wait for thousands.
        """
        checkpoint = self._parsed(number)
        try:
            checkpoint.read_tables()
        except DamagedError as error:
            # `NotInStoreError` when it was deleted meanwhile.
            self.store.size(manifest_key(self.folder, number))
            raise self._damaged(error, None) from None
        return checkpoint

    def history(
        self, before: int | None = None, among: Collection[int] | None = None
    ) -> Iterator[Checkpoint]:
        """Give the good checkpoints, newest first, those that are older than ``before`` and ``among`` these."""
        numbers = (n for n in reversed(self.numbers()) if before is None or n < before)
        for number in self.fetched(n for n in numbers if among is None or n in among):
            try:
                checkpoint = self.load(number)
            except (CheckpointError, NotInStoreError) as error:
                _log.debug("checkpoint %d of %s is passed over: %s", number, self.job, error)
                continue
            yield checkpoint

    def read(
        self, entry: Entry, slot: str | None = None
    ) -> tuple[bytes | None, list[bytearray | memoryview]]:
        """Give a slot's value and its buffers, every byte checked; `DamagedError` names the pack, and the slot."""
        mapped = self.settings.restore == "map"
        try:
            return entry.value, read_buffers(self.store, self.folder, entry.buffers, mapped=mapped)
        except DamagedError as error:
            damage = self._damaged(error, slot)
        raise damage

    def fill(self, targets: Mapping[str, tuple[Entry, memoryview]]) -> dict[str, DamagedError]:
        """Fill memory with the last buffer of each slot's entry, every byte checked; say which are damaged."""
        buffers = {name: (entry.buffers[-1], memory) for name, (entry, memory) in targets.items()}
        damaged = fill(self.store, self.folder, buffers)
        return {name: self._damaged(error, name) for name, error in damaged.items()}

    def _damaged(self, error: DamagedError, slot: str | None) -> DamagedError:
        chunk = getattr(error, "chunk", None)
        if chunk is not None:
            # The same bytes, saved again, must not be taken to be in the store, nor for unchanged. Not by clear():
            # another thread may be saving.
            self._catalog.drop(chunk)
            self._seen = {}
        return error if slot is None else of_slot(error, slot)

    def commit(  # noqa: PLR0913 - most are fields of the manifest, and named
        self,
        slots: Mapping[str, Fresh | Entry],
        *,
        parent: int | None,
        reason: str,
        notes: Sequence[str] = (),
        program: Mapping[str, object] | None = None,
        tables: Sequence[Table] = (),
        metrics: Mapping[str, object] | None = None,
        part: Part | None = None,
        hyperparams: Mapping[str, Mapping[str, object]] | None = None,
    ) -> Checkpoint:
        """Write the next checkpoint; it is there, durably, when this returns.

        Raises:
            LeaseHeldError: another process writes this line.
            StoreError: it could not be written; the checkpoints before it are untouched.
            UnkeepableError: the error's ``slot`` could not be read; nothing was committed, and without it one will do.
        """
        self.acquire()
        with self._settling:
            number, writing = self._next(), self._commit()
            place = {"job": self.job, "rank": self.rank, "number": number, "part": part}
            why = {"parent": parent, "reason": reason, "notes": tuple(notes)}
            ran = dict(program) if program is not None else this_program()
            about = {"program": ran, "hyperparams": hyperparams or {}}
            checkpoint = writing.write(slots, tables, metrics, **place, **why, **about)
            self._last = number
            lost = {chunk.pack for chunk in checkpoint.chunks() if not writing.packs.hold(chunk)}
            # Its own pack counts as lost never: if that is not there, the checkpoint is not good.
            self._lost = number, {pack for pack in lost if self._catalog.written.get(pack) != number}
        return checkpoint

    def _next(self) -> int:
        # Not the listing alone: after somebody removed the root, numbers still go up.
        if self._aside is None:
            self._aside = self.tidying().spent()
        return max([self._last, self._aside, *self.tidying().learn_newest()]) + 1

    def detach(self, slots: Mapping[str, Fresh | Entry]) -> dict[str, Fresh | Entry] | None:
        """Give slots that share no memory with the program: what has changed since the last commit is copied.

        None when that would take more memory than it may: then they must be committed as they are, at once.
        """
        most = budget(self.settings.memory)
        KEPT.trim(most)
        seen = self._seen
        with self._in_flight.hold(saved.chunk.pack for found in list(seen.values()) for saved in found):
            detached = detach(slots, seen, self._commit().here, most)
            self._in_flight.add((detached or {}).values())
        return detached

    def dirty(self, slots: Mapping[str, Fresh]) -> int:
        """Give how many bytes of these slots' buffers have changed since they were committed last."""
        if not self._catalog.records:
            self.tidying().learn_newest()
        return dirty(slots.items(), self._seen, self._commit().known)

    def _commit(self) -> Commit:
        known = (self._catalog, self.settings.key, self._seen, partial(older_entry, self), self.cipher)
        return Commit(self.store, self.folder, *known)

    def retain(self, *protect: int, rewriting: bool = True) -> None:
        """Delete what need not stay, once the newest checkpoint is known to be readable; all of it, here and now."""
        self.acquire()
        self.tidier.finish(self.tidying().retain(protect, rewriting=rewriting), "delete old checkpoints")

    def sweep(self) -> None:
        """Remove what dead writers left: temporaries, and packs that no checkpoint names."""
        self.acquire()
        self.tidier.finish(self.tidying().sweep(), "remove what an earlier process left")

    def tidy(self, *, rewriting: bool = True, looking: bool = False) -> Iterator[int]:
        """Do what `sweep`, once, and `retain` do in small steps; each says first how many bytes it is about."""
        return self.tidying().turn(rewriting=rewriting, looking=looking)

    def make_room(self) -> bool:
        """Delete now what will go anyway; say whether there is more room."""
        before = self._catalog.reclaimed
        # What is rewritten would have to find room first.
        self.tidier.now(turn=partial(self.tidy, rewriting=False))
        return self.store.make_room() or self._catalog.reclaimed > before

    def tidying(self) -> Tidying:
        """Begin a turn of tidying up."""
        own = (self.lease, self._catalog, self._settling, self._in_flight, self._lost, self._last_good)
        return Tidying(self, *own)

    def verify(self, progress: Callable[[int, int], None] | None = None) -> Iterator[Finding]:
        """Read every byte, telling how many of how many are; say of each slot of each checkpoint if it is good."""
        return verify(self, progress)
