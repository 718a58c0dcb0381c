"""A chunk is stored compressed where that clearly pays, which a sample of its bytes tells."""

from __future__ import annotations

import threading

# Imported at once (1 ms): a program that is out of file descriptors can import nothing when it is saved, and a
# worker that waited for an import which a signal interrupted would hold up the save that the signal asked for.
import zstandard

__all__ = ["expand", "squeeze"]

_LEVEL = 1
# What is shorter is left as it is: nothing on the disk becomes smaller by it.
_LEAST = 4096
# How many pieces a sample has, and of how many bytes each: 8 µs for incompressible bytes, which take 600 to digest.
_SAMPLES, _SAMPLE = 4, 1024
# How many times smaller it must become. A sample is too short for what repeats seldom: it may promise less.
_WORTH, _PROMISING = 1.5, 1.4


class _Contexts(threading.local):
    """What compresses and expands in one thread; two threads must not share it."""

    def __init__(self) -> None:
        # Without a checksum: a chunk has its digest.
        self.compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=False)
        self.decompressor = zstandard.ZstdDecompressor()


_contexts = _Contexts()


def squeeze(data: bytes | bytearray | memoryview) -> bytes | None:
    """Give a chunk's compressed bytes; None where they would not be much fewer."""
    length = len(data)
    if length < _LEAST:
        return None
    try:
        compress = _contexts.compressor.compress
        if length > _SAMPLES * _SAMPLE * 2:
            sample = _sample(memoryview(data))
            if len(compress(sample)) * _PROMISING > len(sample):
                return None
        squeezed = compress(data)
    except (zstandard.ZstdError, MemoryError):  # it can be stored as it is
        return None
    return squeezed if len(squeezed) * _WORTH <= length else None


def _sample(view: memoryview) -> bytes:
    """Take a few pieces, spread evenly."""
    step = (len(view) - _SAMPLE) // (_SAMPLES - 1)
    return b"".join(view[start : start + _SAMPLE] for start in range(0, step * _SAMPLES, step))


def expand(data: bytes | bytearray | memoryview, length: int) -> bytes:
    """Give the bytes, ``length`` of them, that were compressed; `ValueError` where that is not what they are."""
    try:
        # What the frame says is checked before memory is taken for it.
        said = zstandard.frame_content_size(data)
        if said != length:
            raise ValueError(f"a compressed chunk says that it has {said} bytes, and should have {length}")
        expanded = _contexts.decompressor.decompress(data, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise ValueError(f"a compressed chunk cannot be expanded: {error}") from error
    if len(expanded) != length:
        raise ValueError(f"a compressed chunk has {len(expanded)} bytes, and should have {length}")
    return expanded
