"""A buffer is cut by position and a stream by content, so that equal bytes make equal chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons.checkpoint._boundaries import by_content
from lattice_addons.checkpoint._model import CHUNK
from lattice_addons.encoding import Stream
from lattice_addons.errors import EncodeError, LatticeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lattice_addons.encoding import Buffer

__all__ = ["pieces", "read"]


def pieces(buffer: Buffer) -> tuple[int, Iterator[bytes | memoryview]]:
    """Give a buffer's size and its pieces, none empty, none over 4 MiB."""
    if isinstance(buffer, Stream):
        return buffer.size, by_content(read(buffer))
    view = memoryview(buffer)
    if view.nbytes == 0:  # a view with a zero in its shape cannot be cast
        return 0, iter(())
    view = view.cast("B")
    if isinstance(buffer, bytes) and view.nbytes <= CHUNK:
        return view.nbytes, iter((buffer,))
    return view.nbytes, (view[at : at + CHUNK] for at in range(0, view.nbytes, CHUNK))


def read(stream: Stream) -> Iterator[bytes | memoryview]:
    """Read a stream, which must be as long as it says; what goes wrong is the value's fault and not the store's."""
    total = 0
    try:
        for piece in stream.pieces():
            total += len(piece)
            yield piece
    except LatticeError:
        raise
    except OSError as error:
        message = f"what is to be stored cannot be read: {error}"
        raise EncodeError(message, type=type(stream).__name__, where="") from error
    if total != stream.size:
        message = (
            f"{total} bytes were read where {stream.size} were announced: "
            "what is stored changed while it was read; save again"
        )
        raise EncodeError(message, type=type(stream).__name__, where="")
