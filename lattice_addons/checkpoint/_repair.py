"""A damaged chunk that is whole in another pack is read from there; what cannot be read at all is put aside."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lattice_addons.checkpoint._layout import manifest_key
from lattice_addons.checkpoint._manifest import to_text
from lattice_addons.checkpoint._portable import moved
from lattice_addons.checkpoint._readable import check_key
from lattice_addons.checkpoint._streaming import stream
from lattice_addons.errors import CheckpointError, FormatError, NotInStoreError, UntrustedError, WrongKeyError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lattice_addons.checkpoint._line import Line
    from lattice_addons.checkpoint._model import Checkpoint, Chunk

__all__ = ["Repair", "repair"]


@dataclass(frozen=True, slots=True)
class Repair:
    """What was done, or would be, about one slot of one checkpoint; ``slot`` is None for tables and manifests.

    ``outcome`` is ``repaired`` (it is read from another pack now), ``quarantined`` (a manifest that cannot be read
    was put aside), or ``lost`` (nothing can be done here, and ``reason`` says why).
    """

    __module__ = "lattice_addons.checkpoint"

    number: int
    slot: str | None
    outcome: str
    reason: str


def repair(line: Line, *, dry_run: bool = False) -> Iterator[Repair]:
    """Repair what can be, oldest checkpoint first, and say of everything that is damaged what became of it.

    Every change is one file, replaced or moved in one step: a process that is killed within leaves the rest as it
    was, to be repaired by the next.

    Raises:
        LeaseHeldError: another live process writes this line.
        WrongKeyError: the newest checkpoint cannot be read without its key.
        StoreError: the store cannot be read or written.
    """
    check_key(line)
    if not dry_run:
        line.acquire()
    try:
        yield from _Repairing(line, dry_run=dry_run).run()
    finally:
        if not dry_run:
            line.release()


class _Repairing:
    """One repair of one line."""

    def __init__(self, line: Line, *, dry_run: bool) -> None:
        self._line = line
        self._dry_run = dry_run
        self._bad: dict[Chunk, str] = {}
        self._good: dict[tuple[str, int], Chunk] = {}

    def run(self) -> Iterator[Repair]:
        """Mend what can be read, and put aside what cannot."""
        checkpoints: list[Checkpoint] = []
        unreadable: list[Repair] = []
        for number in self._line.fetched(self._line.numbers()):
            try:
                checkpoints.append(self._line.load(number))
            except NotInStoreError:
                continue
            except (FormatError, UntrustedError, WrongKeyError) as error:
                # A newer version, or who has the key, can read it: it stays where it is.
                yield Repair(number, None, "lost", str(error))
            except CheckpointError as error:
                unreadable.append(Repair(number, None, "quarantined", str(error)))
        self._read({chunk for checkpoint in checkpoints for chunk in checkpoint.chunks()})
        for checkpoint in checkpoints:
            yield from self._mend(checkpoint)
        for told in unreadable:
            # The last that there is must not vanish: a program would begin afresh without a word.
            yield self._put_aside(told) if checkpoints else replace(told, outcome="lost")

    def _read(self, chunks: Iterable[Chunk]) -> None:
        """Find out which chunks are good."""
        for chunk, error in stream(self._line.store, self._line.folder, chunks):
            if error is None:
                self._good[chunk.digest, chunk.length] = chunk
            else:
                # What the disk will not read is no better than what it reads wrongly.
                self._bad[chunk] = str(error)

    def _place(self, chunk: Chunk) -> Chunk:
        """Give where a chunk is whole; itself where that is nowhere."""
        return self._good.get((chunk.digest, chunk.length), chunk) if chunk in self._bad else chunk

    def _mend(self, checkpoint: Checkpoint) -> Iterator[Repair]:
        told = [
            Repair(checkpoint.number, name, *self._outcome(chunks))
            for name, chunks in _parts(checkpoint)
            if any(chunk in self._bad for chunk in chunks)
        ]
        mended = moved(checkpoint, self._place)
        if not self._dry_run and tuple(mended.chunks()) != tuple(checkpoint.chunks()):
            key = manifest_key(self._line.folder, checkpoint.number)
            self._line.store.replace(key, to_text(mended, self._line.settings.key, self._line.cipher))
        yield from told

    def _outcome(self, chunks: Iterable[Chunk]) -> tuple[str, str]:
        bad = [chunk for chunk in chunks if chunk in self._bad]
        lost = [chunk for chunk in bad if self._place(chunk) is chunk]
        return ("lost" if lost else "repaired"), self._bad[(lost or bad)[0]]

    def _put_aside(self, told: Repair) -> Repair:
        """Put a manifest aside, unless it has a name, and say so: somebody wants it, and the packs it needs."""
        section = self._line.store.exclusive(f"{self._line.folder}checkpoints/")
        # Names are given in such a section, too.
        with nullcontext() if self._dry_run else section:
            if told.number in self._line.keeps.numbers():
                hint = f"lattice keep {self._line.job} {told.number} --drop"
                reason = f'{told.reason}; it has a name, and stays where it is: "{hint}" takes that off'
                return replace(told, outcome="lost", reason=reason)
            if not self._dry_run:
                self._move(told.number)
        return told

    def _move(self, number: int) -> None:
        """Move a manifest into the quarantine: first it is there as well, then it is only there."""
        store, key = self._line.store, manifest_key(self._line.folder, number)
        text = store.read(key)
        aside = f"{self._line.folder}quarantine/{key.rpartition('/')[2]}"
        there = store.list(f"{self._line.folder}quarantine/")
        copy = 1
        while aside in there and store.read(aside) != text:
            # Of a manifest that somebody put back, and that was damaged once more.
            copy += 1
            aside = (
                f"{self._line.folder}quarantine/{key.rpartition('/')[2].removesuffix('.json')}.{copy}.json"
            )
        if aside not in there:
            store.put(aside, text)
        store.delete([key])


def _parts(checkpoint: Checkpoint) -> Iterator[tuple[str | None, tuple[Chunk, ...]]]:
    for table in checkpoint.tables:
        yield None, table
    for name, entry in checkpoint.lines.items():
        yield name, tuple(entry.chunks())
