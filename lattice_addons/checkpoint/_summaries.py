"""Arrays are summarized from a few of their elements, and only those in which something has changed."""

from __future__ import annotations

import logging
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lattice_addons.checkpoint._detach import Taken
from lattice_addons.checkpoint._model import CHUNK
from lattice_addons.checkpoint._summary import MOST, Summary, elements, shown_dtype, summarized
from lattice_addons.encoding import Stream, placed

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from lattice_addons.checkpoint._pieces import Piece
    from lattice_addons.encoding import Buffer, Encoded, Placed

__all__ = ["LINE", "Looks", "Summaries"]

_log = logging.getLogger("lattice_addons.checkpoint")
# How long what a manifest says of one array is, about, beside its path.
LINE: Final = 420
# So many arrays of a whole checkpoint are told of.
_MOST_OF_ALL: Final = 1024
# Of an array one in so many elements is looked at, but no fewer and no more than so many, and so many in a row.
_ONE_IN, _FEWEST, _LARGEST, _RUN = 512, 2048, 64 * 1024, 16
# Spreads numbers that follow each other over all of 32 bits.
_SCATTER: Final = 2_654_435_761


class _Known(NamedTuple):
    """What was found of an array last, in the chunks of these digests; ``parts`` are the elements looked at in each."""

    digests: tuple[str, ...]
    parts: tuple[Any, ...]
    summary: Summary
    window: slice


class Summaries:
    """What is known of the arrays that were saved last, by the name of their slot."""

    def __init__(self) -> None:
        self._known: dict[str, dict[Placed, _Known]] = {}

    def keep(self, slots: Mapping[str, Looks], names: Collection[str]) -> None:
        """Remember what a checkpoint told, now that it is committed, and forget slots that are no more."""
        for name, looks in slots.items():
            self._known[name] = looks.found
        for name in [name for name in self._known if name not in names]:
            del self._known[name]

    def look(self, name: str, encoded: Encoded, told: int) -> Looks:
        """Begin with a slot, before its buffers go into a pack; ``told`` is how many arrays others have told of."""
        looks = Looks(encoded, self._known.get(name, {}))
        try:
            looks.begin(min(MOST, _MOST_OF_ALL - told))
        except Exception as error:  # noqa: BLE001  what is only for people must not keep a value from being saved
            looks.give_up(error)
        return looks


class Looks:
    """The looks at the arrays of one slot while it is saved."""

    def __init__(self, encoded: Encoded, known: Mapping[Placed, _Known]) -> None:
        self.found: dict[Placed, _Known] = {}
        self.arrays: list[Placed] = []
        self._buffers: Sequence[Buffer] = encoded.buffers
        self._encoded = encoded
        self._known = known
        self._early: dict[Placed, list[Any]] = {}

    def __len__(self) -> int:
        """Count the arrays that are told of."""
        return len(self.arrays)

    def give_up(self, error: Exception) -> None:
        """Tell of none."""
        _log.debug("no summary of the arrays of a %s: %r", self._encoded.type, error)
        self.arrays = []
        self.found = {}

    def begin(self, most: int) -> None:
        """Choose the arrays, and look at what was copied: its memory is used for something else once it is written."""
        self.arrays = _chosen(placed(self._encoded), most)
        for array in self.arrays:
            buffer = self._buffers[array.buffer] if array.buffer is not None else None
            if isinstance(buffer, Taken):
                self._early[array] = self._parts_of_copy(array, buffer)

    def summaries(self, buffers: Sequence[Sequence[Piece]]) -> tuple[Summary, ...]:
        """Give what is to be told, when each piece has its chunk."""
        try:
            return tuple(self._summary(array, buffers) for array in self.arrays)
        except Exception as error:  # noqa: BLE001  as in `look`
            self.give_up(error)
            return ()
        finally:
            # They hold the memory of the program, or copies of it.
            self._buffers, self._early = (), {}

    def _summary(self, array: Placed, buffers: Sequence[Sequence[Piece]]) -> Summary:
        known = self._known.get(array)
        window = known.window if known is not None else _window(array)
        if array.buffer is None or window is None:
            return _bare(array)
        chunks = [piece.chunk for piece in buffers[array.buffer][window]]
        digests = tuple([chunk.digest for chunk in chunks if chunk is not None])
        if known is None or known.digests != digests:
            parts = self._early.get(array)
            if parts is None:
                parts = _parts(array, self._buffers[array.buffer], window)
            if not parts or any(part is None for part in parts) or not any(map(len, parts)):
                return _bare(array)
            facts = (array.path, array.dtype, array.shape)
            summary = summarized(*facts, parts, sys.modules["numpy"])
            known = _Known(digests, tuple(parts), summary, window)
        self.found[array] = known
        return known.summary

    def _parts_of_copy(self, array: Placed, taken: Taken) -> list[Any]:
        """Look at what has changed; of the rest the elements are known from last time, or nothing is."""
        window = _window(array)
        if window is None:
            return []
        known, parts = self._known.get(array), []
        for at, piece in enumerate(taken.parts[window], window.start):
            part = None
            if piece.unchanged and piece.saved is not None:
                n = at - window.start
                same = known is not None and known.digests[n : n + 1] == (piece.saved.chunk.digest,)
                part = known.parts[n] if known is not None and same else None
            elif not piece.lock:  # it was encrypted where it lies, by a commit that failed
                part = _looked_at(array, piece.data, at)
            parts.append(part)
        return parts


def _bare(array: Placed) -> Summary:
    return Summary(array.path, shown_dtype(array.dtype), array.shape)


def _chosen(arrays: list[Placed], most: int) -> list[Placed]:
    """Give the largest arrays, in their order."""
    if len(arrays) <= most:
        return arrays
    largest = sorted(range(len(arrays)), key=lambda at: -arrays[at].count)[: max(most, 0)]
    return [arrays[at] for at in sorted(largest)]


def _window(array: Placed) -> slice | None:
    """Give which chunks of its buffer an array lies in; None where its elements cannot be looked at."""
    kind = elements(array.dtype)
    if kind is None or not array.count:
        return None
    end = array.start + array.count * kind.itemsize
    window = slice(array.start // CHUNK, -(-end // CHUNK))
    whole = not (array.start % kind.itemsize or CHUNK % kind.itemsize)
    return window if whole or window.stop - window.start == 1 else None


def _parts(array: Placed, buffer: Buffer, window: slice) -> list[Any]:
    if isinstance(buffer, Stream):
        return []
    view = memoryview(buffer).cast("B")
    return [
        _looked_at(array, view[at * CHUNK : (at + 1) * CHUNK], at) for at in range(window.start, window.stop)
    ]


def _looked_at(array: Placed, data: bytes | memoryview, at: int) -> Any:  # noqa: ANN401 - an array
    """Copy the elements of an array that are looked at in chunk number ``at`` of its buffer."""
    numpy, kind = sys.modules["numpy"], elements(array.dtype)
    assert kind is not None  # noqa: S101 - it has a window
    run, step = _runs(array)
    begin = max(0, at * CHUNK - array.start) // kind.itemsize
    end = min(array.count, ((at + 1) * CHUNK - array.start) // kind.itemsize)
    found = numpy.frombuffer(data, kind, end - begin, array.start + begin * kind.itemsize - at * CHUNK)
    return found.take(_places(begin, end, run, step))


# A model has many arrays of one shape.
@lru_cache(64)
def _places(begin: int, end: int, run: int, step: int) -> Any:  # noqa: ANN401 - an array
    numpy = sys.modules["numpy"]
    rows = numpy.arange(begin // step, -(-end // step))
    # Anywhere within its stretch: at equal distances they would keep to some columns of a matrix.
    starts = rows * step + ((rows * _SCATTER % 2**32) * (step - run + 1) >> 32)
    starts = starts[(starts >= begin) & (starts + run <= end)]
    return ((starts - begin)[:, None] + numpy.arange(run)).reshape(-1)


def _runs(array: Placed) -> tuple[int, int]:
    """Give how many elements are looked at in a row, which takes one read from memory, and in how many one row is."""
    target = min(max(_FEWEST, array.count // _ONE_IN), _LARGEST)
    return (_RUN, -(-array.count * _RUN // target)) if array.count > target else (1, 1)
