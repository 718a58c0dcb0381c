"""Memory that many values of one tree lie in is stored once, small stretches of it together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lattice_addons.encoding._encoded import OUT_OF_BAND

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lattice_addons.encoding._encoded import Buffer

__all__ = ["ALIGNED", "laid_out", "taken_apart"]

#: Everything begins at a multiple of it, as what torch allocates: elsewhere a kernel may sum up in another order.
ALIGNED = 64


def laid_out(memories: Sequence[Buffer]) -> tuple[list[list[int]], tuple[Buffer, ...]]:
    """Give where each memory is (its size, the number of a buffer, the place in it), and the buffers."""
    sizes = [len(memory) for memory in memories]  # type: ignore[arg-type]
    small = bytearray()
    places: list[list[int]] = []
    large: list[Buffer] = []
    first = 1 if any(size < OUT_OF_BAND for size in sizes) else 0
    for size, memory in zip(sizes, memories, strict=True):
        if size >= OUT_OF_BAND:
            places.append([size, first + len(large), 0])
            large.append(memory)
        else:
            small += bytes(-len(small) % ALIGNED)
            places.append([size, 0, len(small)])
            small += memory  # type: ignore[arg-type]
    return places, (bytes(small), *large) if first else tuple(large)


def taken_apart(places: Any, buffers: Sequence[bytearray | memoryview]) -> list[memoryview]:
    """Give each memory again: writable, aligned, and within its buffer; ``ValueError`` where that cannot be."""
    whole = [_aligned(buffer) for buffer in buffers]
    memories: list[memoryview] = []
    for size, number, at in places:
        if not (0 <= number < len(whole) and at >= 0 and 0 <= size <= whole[number].nbytes - at):
            raise ValueError(f"{size} bytes at {at} of buffer {number} are not there")
        memories.append(whole[number][at : at + size])
    return memories


def _aligned(buffer: bytearray | memoryview) -> memoryview:
    view = memoryview(buffer).cast("B") if memoryview(buffer).nbytes else memoryview(bytearray())
    if not view.nbytes:
        return view
    import numpy as np

    found = np.frombuffer(view, np.uint8)
    if not view.readonly and not found.ctypes.data % ALIGNED:
        return view
    room = np.empty(view.nbytes + ALIGNED, np.uint8)
    start = -room.ctypes.data % ALIGNED
    room[start : start + view.nbytes] = found
    return memoryview(room)[start : start + view.nbytes]
