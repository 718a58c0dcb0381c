"""A buffer is cut by position, or as a stream says, so that equal bytes make equal chunks."""

from __future__ import annotations

from itertools import chain, repeat
from typing import TYPE_CHECKING

from lattice_addons.checkpoint._model import CHUNK
from lattice_addons.encoding import Stream
from lattice_addons.errors import EncodeError, LatticeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lattice_addons.encoding import Buffer

__all__ = ["pieces"]


def pieces(buffer: Buffer) -> tuple[int, Iterator[bytes | memoryview]]:
    """Give a buffer's size and its pieces, none empty, none over 4 MiB."""
    if isinstance(buffer, Stream):
        return buffer.size, _recut(buffer)
    view = memoryview(buffer)
    if view.nbytes == 0:  # a view with a zero in its shape cannot be cast
        return 0, iter(())
    view = view.cast("B")
    if isinstance(buffer, bytes) and view.nbytes <= CHUNK:
        return view.nbytes, iter((buffer,))
    return view.nbytes, (view[at : at + CHUNK] for at in range(0, view.nbytes, CHUNK))


def _recut(stream: Stream) -> Iterator[bytes]:
    """Cut a stream's bytes where it wants them cut, whatever pieces it reads them in."""
    lengths = chain(stream.cuts() or (), repeat(CHUNK))
    wanted = _next(lengths)
    block = bytearray()
    total = 0
    for piece in _read(stream):
        total += len(piece)
        if not block and len(piece) == wanted:
            yield piece
            wanted = _next(lengths)
            continue
        block += piece
        while len(block) >= wanted:
            yield bytes(block[:wanted])
            del block[:wanted]
            wanted = _next(lengths)
    if block:
        yield bytes(block)
    if total != stream.size:
        message = (
            f"{total} bytes were read where {stream.size} were announced: "
            "what is stored changed while it was read; save again"
        )
        raise EncodeError(message, type=type(stream).__name__, where="")


def _next(lengths: Iterator[int]) -> int:
    return min(max(next(lengths), 1), CHUNK)


def _read(stream: Stream) -> Iterator[bytes]:
    try:
        yield from stream.pieces()
    except LatticeError:
        raise
    except OSError as error:  # of what the stream reads from, and not of the store
        message = f"what is to be stored cannot be read: {error}"
        raise EncodeError(message, type=type(stream).__name__, where="") from error
