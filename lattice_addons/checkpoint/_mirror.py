"""A job is copied to another store as it is: packs, which are read back, then manifests, then what goes by them."""

from __future__ import annotations

import errno
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from blake3 import blake3

from lattice_addons.checkpoint._commit import Packs
from lattice_addons.checkpoint._jobs import ranks, running
from lattice_addons.checkpoint._layout import manifest_key, manifest_number, pack_key, pack_name, refused_key
from lattice_addons.checkpoint._line import Line
from lattice_addons.checkpoint._streaming import stream
from lattice_addons.errors import CheckpointError, DamagedError, LeaseHeldError, NotInStoreError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lattice_addons.checkpoint._model import Checkpoint, Chunk
    from lattice_addons.settings import Settings
    from lattice_addons.storage import Store

    Told = Callable[[int, int], None]

__all__ = ["Mirrored", "mirrored"]

_PIECE: Final = 4 * 1024 * 1024
_TRIES: Final = 3


@dataclass
class Mirrored:
    """What was copied of one rank: ``there`` already, ``damaged`` in the source as well, and ``gone`` meanwhile."""

    __module__ = "lattice_addons.checkpoint"

    rank: int
    checkpoints: int = 0
    there: int = 0
    bytes: int = 0
    damaged: list[str] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)


def mirrored(
    source: tuple[Store, Settings],
    target: tuple[Store, Settings],
    job: str,
    tell: Told,
    *,
    force: bool = False,
) -> list[Mirrored]:
    """Copy a job; what is there already is looked at and not copied again.

    With ``force`` also where the target has a job of this name that has no checkpoint in common with it.

    Raises:
        LeaseHeldError: a process writes the job in the target; or it writes the source's, which cannot be read here.
        StoreError: the target has another job of this name, or one that went further; or a store fails.
        DamagedError: what was written to the target cannot be read back.
    """
    numbers = ranks(source[0], job)
    here = [Line(source[0], job, rank, settings=source[1]) for rank in numbers]
    there = [Line(target[0], job, rank, settings=target[1]) for rank in {*numbers, *ranks(target[0], job)}]
    try:
        # All of them first: nothing is written into a job one rank of which still runs.
        for line in there:
            line.acquire()
        of = {line.rank: line for line in there}
        parts = [_Rank(line, of[line.rank], tell, force=force) for line in here]
        # All are looked at before the first is written, and listed before the first is copied.
        for part in parts:
            part.compare()
        total = sum(part.size() for part in parts)
        done = 0
        for part in parts:
            done = part.copy(done, total)
        _copy_attempts(source[0], target[0], job)
    finally:
        for line in there:
            line.release()
    return [part.found for part in parts]


class _Rank:
    """One rank on its way."""

    def __init__(self, line: Line, other: Line, tell: Told, *, force: bool) -> None:
        self.line = line
        self.source = line.store
        # Past a spool: what has arrived is where it must go, and is read back from there.
        self.other = other
        self.target = other.store.shared
        self.found = Mirrored(line.rank)
        self._tell = tell
        self._force = force
        self._checked: set[Chunk] = set()
        self._copied: set[str] = set()
        self._made: set[str] = set()
        self._needed: set[str] = set()
        self._numbers = line.numbers()

    def _read(self, number: int) -> Checkpoint | None:
        """Give a checkpoint, which may be gone; None where it cannot be read here: then it is copied unread."""
        try:
            return self.line.load(number)
        except CheckpointError as error:
            if isinstance(error, DamagedError):
                self._damaged(str(error))
            # A program that writes deletes packs, and whose they are cannot be told.
            if running(self.source, self.line.job, self.line.rank) is not False:
                message = (
                    f"checkpoint {number} of job {self.line.job!r} cannot be read here, and the job runs: set its "
                    f"key, or stop it, and copy it then: {error}"
                )
                raise LeaseHeldError(
                    message, url=self.source.url, job=self.line.job, host="", pid=0
                ) from error
            return None

    def _damaged(self, told: str) -> None:
        if told not in self.found.damaged:
            self.found.damaged.append(told)

    def compare(self) -> None:
        """See that what the target has of the job is of this one, and not further."""
        ours, theirs = set(self._numbers), set(self.other.numbers())
        common = ours & theirs
        for number in self.line.fetched(self.other.fetched(sorted(common))):
            try:
                text = self._text(self.source, number)
            except NotInStoreError:  # the program that writes it has deleted it meanwhile
                common.discard(number)
                continue
            if text != self._text(self.other.store, number):
                raise self._refusal(f"its checkpoint {number} is another one")
        if theirs and not common and not self._force:
            raise self._refusal("none of its checkpoints is one of these; --force copies these beside them")
        if theirs and (not ours or max(theirs) > max(ours)):
            raise self._refusal(f"it went on to checkpoint {max(theirs)}")

    def _refusal(self, why: str) -> StoreError:
        message = (
            f"{self.other.store.url} has a job {self.line.job!r} (rank {self.line.rank}) already, and {why}: copy into "
            "another store, or remove that one with `lattice clear`"
        )
        return StoreError(message, url=self.other.store.url, errno=errno.EEXIST)

    def _text(self, store: Store, number: int) -> bytes:
        return store.read(manifest_key(self.line.folder, number))

    def size(self) -> int:
        """Give how many bytes of packs are to be copied, about."""
        packs: set[str] = set()
        for number in self.line.fetched(self._numbers):
            with suppress(NotInStoreError):  # it is missed when it is to be copied
                packs.update(self._packs(self._read(number)))
        there = Packs(self.source, self.line.folder)
        return sum(max(there.size(pack), 0) for pack in packs)

    def _packs(self, checkpoint: Checkpoint | None) -> list[str]:
        """Give the packs that a checkpoint names; all that there are, where it cannot be read."""
        if checkpoint is not None:
            return list(dict.fromkeys(chunk.pack for chunk in checkpoint.chunks()))
        names = map(pack_name, self.source.list(f"{self.line.folder}packs/"))
        return [name for name in names if name is not None]

    def copy(self, done: int, total: int) -> int:
        """Copy it, the oldest checkpoint first; give how many bytes are done."""
        self.target.sweep(self.line.folder)
        there = set(self.other.numbers())
        for number in self._numbers:
            done = self._copy_one(number, number in there, done, total)
        for _ in range(_TRIES):
            if not self._gone_all:
                break
            # What a program that saves all the time has now has the best prospects.
            for number in self.line.numbers()[-1:]:
                done = self._copy_one(number, number in there, done, total)
        self.target.delete([pack_key(self.line.folder, pack) for pack in self._made - self._needed])
        if self._gone_all and (numbers := self.line.numbers()):
            raise self._too_fast(numbers[-1])
        for key in self.source.list(f"{self.line.folder}kept/"):
            if manifest_number(key) in there | set(self._numbers):
                self.target.replace(key, self.source.read(key))
        with suppress(NotInStoreError):
            key = refused_key(self.line.folder)
            self.target.replace(key, self.source.read(key))
        return done

    @property
    def _gone_all(self) -> bool:
        return bool(self.found.gone) and not self.found.checkpoints + self.found.there

    def _too_fast(self, number: int) -> LeaseHeldError:
        job = self.line.job
        message = (
            f"job {job!r} (rank {self.line.rank}) deletes its checkpoints faster than they are copied, and "
            f"nothing was: let one stay meanwhile (`lattice keep {job} {number}`), or stop it, and copy it then"
        )
        return LeaseHeldError(message, url=self.source.url, job=job, host="", pid=0)

    def _copy_one(self, number: int, is_there: bool, done: int, total: int) -> int:  # noqa: FBT001 - a fact
        """Copy a checkpoint, its packs first; give how many bytes are done."""
        try:
            checkpoint = self._read(number)
            packs = self._packs(checkpoint)
            for pack in packs:
                done = self._copy_pack(pack, done, total, unread=checkpoint is None)
            self._check(checkpoint)
            text = self._text(self.source, number)
        except NotInStoreError:
            if number in self.line.numbers():
                raise
            self.found.gone.append(number)  # by the program that writes it
            return done
        if is_there:
            self.found.there += 1
        else:
            self._put(manifest_key(self.line.folder, number), text)
            self.found.checkpoints += 1
        self._needed.update(packs)
        return done

    def _copy_pack(self, pack: str, done: int, total: int, *, unread: bool) -> int:
        if pack in self._copied:
            return done
        key = pack_key(self.line.folder, pack)
        size = self.source.size(key)
        if Packs(self.target, self.line.folder).size(pack) != size:
            self.target.delete([key])
            with self.target.create(key) as writer:
                for piece in _pieces(self.source, key, size):
                    writer.write(piece)
                    done += len(piece)
                    self._tell(done, max(done, total))
            self.found.bytes += size
            self._made.add(pack)
        else:
            done += size
            self._tell(done, total)
        if unread and _hash(self.source, key, size) != _hash(self.target, key, size):
            raise self._lost(key)
        self._copied.add(pack)
        return done

    def _check(self, checkpoint: Checkpoint | None) -> None:
        """Read back what a checkpoint needs, and compare it with the digests."""
        if checkpoint is None:
            return
        new = set(checkpoint.chunks()) - self._checked
        self._checked |= new
        for chunk, error in stream(self.target, self.line.folder, new):
            if error is None:
                continue
            again = next(iter(stream(self.source, self.line.folder, [chunk])))[1]
            if again is None:
                raise self._lost(pack_key(self.line.folder, chunk.pack))
            # As it was there: another checkpoint, or slot, may be whole.
            self._damaged(f"checkpoint {checkpoint.number}: {again}")

    def _lost(self, key: str) -> DamagedError:
        self.target.delete([key])
        message = f"{key} did not arrive in {self.target.url} as it is in {self.source.url}; copy once more"
        return DamagedError(message, key=key)

    def _put(self, key: str, text: bytes) -> None:
        self.target.put(key, text)
        if self.target.read(key) != text:
            raise self._lost(key)


def _copy_attempts(source: Store, target: Store, job: str) -> None:
    """Copy what the starts of a job of several ranks have written down, but not who took part."""
    folder = f"{job}/attempts/"
    there = set(target.shared.list(folder))
    for key in source.shared.list(folder):
        if key.count("/") == folder.count("/") and key not in there:
            target.shared.put(key, source.shared.read(key))


def _pieces(store: Store, key: str, size: int) -> Iterable[bytes]:
    for start in range(0, size, _PIECE):
        yield store.read(key, start, min(start + _PIECE, size))


def _hash(store: Store, key: str, size: int) -> str:
    digest = blake3()
    for piece in _pieces(store, key, size):
        digest.update(piece)
    return digest.hexdigest()
