"""Every byte that a line stores is read and compared with its digest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons.checkpoint._model import Finding
from lattice_addons.checkpoint._readable import check_key
from lattice_addons.checkpoint._shared import found
from lattice_addons.checkpoint._streaming import stream
from lattice_addons.errors import DamagedError, LatticeError, NotInStoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from lattice_addons.checkpoint._line import Line
    from lattice_addons.checkpoint._model import Checkpoint, Chunk, Entry

    Progress = Callable[[int, int], None]

__all__ = ["verify"]


def verify(line: Line, progress: Progress | None = None) -> Iterator[Finding]:
    """Say of each slot of each checkpoint, oldest first, whether it is good; of a manifest, if it is not.

    All is read before the first is said; ``progress`` is told now and then how many bytes of how many are.

    Raises:
        WrongKeyError: the newest checkpoint cannot be read without its key.
        UnreachableError: the store does not answer, which is no damage.
    """
    check_key(line)
    # A manifest is read once more when its slots are told: all of them at once may take too much memory.
    checks = _Checks(line)
    numbers = line.numbers()
    checks.read({chunk for number in line.fetched(numbers) for chunk in _chunks(line, number)}, progress)
    for number in line.fetched(numbers):
        try:
            findings = list(_findings(line.load(number), checks))
        except NotInStoreError:
            continue  # retention deleted it meanwhile
        except LatticeError as error:
            findings = [Finding(number, None, error)]
        yield from findings


def _chunks(line: Line, number: int) -> Iterable[Chunk]:
    try:
        return set(line.load(number).chunks())
    except LatticeError:
        return ()


def _findings(checkpoint: Checkpoint, checks: _Checks) -> Iterator[Finding]:
    damaged = [error for error in map(checks.of, checkpoint.tables) if error is not None]
    for error in damaged:
        yield Finding(checkpoint.number, None, error)
    # Which slots a damaged table had cannot be told.
    slots = checkpoint.lines if damaged else checkpoint.slots
    if not slots and not damaged:
        yield Finding(checkpoint.number, None, None)
    for name, entry in slots.items():
        yield Finding(checkpoint.number, name, checks.of_slot(name, entry))


class _Checks:
    """What was found of each chunk, which is read once, however many checkpoints share it."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._known: dict[Chunk, LatticeError | None] = {}

    def read(self, chunks: Iterable[Chunk], progress: Progress | None = None) -> None:
        """Read these chunks."""
        new = set(chunks) - self._known.keys()
        total = sum(chunk.extent for chunk in new)
        done = 0
        for chunk, error in stream(self._line.store, self._line.folder, new):
            self._known[chunk] = error
            done += chunk.extent
            if progress is not None:
                progress(done, total)

    def of_slot(self, name: str, entry: Entry) -> LatticeError | None:
        """Give what is wrong with a slot; of one that another rank stores, only whether that has it."""
        try:
            found(self._line, entry, name)
        except DamagedError as error:
            return error
        return self.of(entry.chunks())

    def of(self, chunks: Iterable[Chunk]) -> LatticeError | None:
        """Give what is wrong with the first of these that is not good, or None."""
        chunks = tuple(chunks)
        # Those of a checkpoint that was committed meanwhile.
        self.read(chunks)
        return next((error for chunk in chunks if (error := self._known[chunk]) is not None), None)
