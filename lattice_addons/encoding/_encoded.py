"""An encoded value is readable JSON, or raw buffers, or both."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lattice_addons.encoding._placed import Placed

PIECE = 4 * 1024 * 1024
#: Pickles and texts of so many bytes are streams: they are cut by their content.
STREAMED = 1024 * 1024
# Smaller buffers go together into one: ten thousand small arrays must not make as many entries in a manifest.
OUT_OF_BAND = 16 * 1024


class Stream(abc.ABC):
    """Bytes that are read only while they are written, so that they are never all in memory.

    ``size`` is how many there are; the pieces must add up to it. They are stored in chunks whose boundaries depend
    on the bytes, and not on where a piece begins or ends: of a stream that has grown, or in which something was put
    in or taken out, only the chunks around that are written again.
    """

    size: int

    @abc.abstractmethod
    def pieces(self) -> Iterator[bytes | memoryview]:
        """Give the bytes in order, in pieces of at most 4 MiB."""

    def frozen(self) -> Stream:
        """Give the same bytes in a stream that they stay in, whatever happens to where they come from."""
        return self


Buffer: TypeAlias = "bytes | bytearray | memoryview | Stream"


def buffer_size(buffer: Buffer) -> int:
    """Give how many bytes a buffer holds."""
    if isinstance(buffer, Stream):
        return buffer.size
    return buffer.nbytes if isinstance(buffer, memoryview) else len(buffer)


@dataclass(frozen=True, slots=True)
class Encoded:
    """A value as it is stored: its JSON text (or header), its buffers, and what reads them back."""

    encoding: str
    type: str
    value: bytes | None
    buffers: tuple[Buffer, ...]
    #: Of a pickle, the arrays that lie in its buffers, as far as that was seen while the value was there.
    arrays: tuple[Placed, ...] = ()

    @property
    def size(self) -> int:
        """How many bytes this value takes."""
        return len(self.value or b"") + sum(map(buffer_size, self.buffers))


def held(encoded: Encoded) -> int:
    """Give how many bytes were made of a value and are in memory beside it."""
    payload = encoded.buffers[0] if encoded.value is None and encoded.buffers else b""
    return len(encoded.value or b"") + (buffer_size(payload) if isinstance(payload, (bytes, Joined)) else 0)


class Joined(Stream):
    """Parts in memory that read as one stretch of bytes, without a second copy of them."""

    def __init__(self, parts: Sequence[bytes | memoryview]) -> None:
        self._parts = parts
        self.size: int = sum(len(part) for part in parts)

    def pieces(self) -> Iterator[memoryview]:
        """Give the parts, in pieces of at most 4 MiB."""
        for part in self._parts:
            view = memoryview(part)
            yield from (view[at : at + PIECE] for at in range(0, len(view), PIECE))


def type_name(kind: type) -> str:
    """Name a type for people: ``module.qualname``."""
    return f"{getattr(kind, '__module__', '?')}.{getattr(kind, '__qualname__', kind)}"


def called(kind: type) -> str:
    """Name a type in a message; everybody knows where ``dict`` comes from."""
    return type_name(kind).removeprefix("builtins.")


def detached(buffer: Buffer) -> Buffer:
    """Give a buffer that shares no memory that anybody can change."""
    if isinstance(buffer, Stream):
        return buffer.frozen()
    return buffer if isinstance(buffer, bytes) or is_own(buffer) else bytes(buffer)


def is_own(buffer: Buffer) -> bool:
    """Tell whether a buffer is a copy already, which nobody else can change: what came from a device."""
    return isinstance(buffer, memoryview) and getattr(buffer.obj, "lattice_own", False) is True
