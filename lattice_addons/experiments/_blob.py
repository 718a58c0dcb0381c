"""A value lies in one file, and every process that maps the file looks at the same memory."""

from __future__ import annotations

import json
import mmap
import os
import sys
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from lattice_addons._system import O_CLOEXEC, write_at

if TYPE_CHECKING:
    from lattice_addons.encoding import Encoded

__all__ = ["copy_blob", "encoded", "mapped", "write_blob"]

_PAGE = 4096
_LENGTH = 8  # bytes of the number in front, which says how long the header is
# Linux writes no more at once.
_MOST = 2**30


def encoded(value: object) -> Encoded:
    """Turn a value into a header and buffers, which are its own memory wherever it has such.

    Raises:
        EncodeError: it has something in it that cannot go from one process to another.
    """
    from lattice_addons.encoding import encode

    return encode(_without_polars(value))


def write_blob(path: str, value: Encoded) -> None:
    """Write an encoded value into a new file in one step, with all the room that it needs, or not at all.

    Raises:
        OSError: there is no room, or no folder.
    """
    header, parts = _laid_out(value)
    _write_parts(path, [(0, header), *parts])


def copy_blob(path: str, whole: bytes) -> None:
    """Write what stands in such a file elsewhere into a new one, as `write_blob` does."""
    _write_parts(path, [(0, whole)])


def _write_parts(path: str, parts: list[tuple[int, Any]]) -> None:
    temporary = f"{path}.{uuid.uuid4().hex}.tmp"
    descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | O_CLOEXEC, 0o600)
    try:
        # Room is taken first: where memory has run out, a write into it would end by a signal later.
        size = max(at + len(each) for at, each in parts)
        if sys.platform != "win32" and hasattr(os, "posix_fallocate"):
            os.posix_fallocate(descriptor, 0, size)
        for at, each in parts:
            _write(descriptor, each, at)
        os.rename(temporary, path)
    except BaseException:
        # Also when it is stopped by Ctrl-C: nobody else would remove what is not whole.
        with suppress(OSError):
            os.unlink(temporary)
        raise
    finally:
        os.close(descriptor)


def mapped(path: str, kept: dict[str, mmap.mmap]) -> Any:
    """Give the value in a file; its arrays are read-only views of the file's memory.

    What cannot be read-only, as a tensor, is a view that is this process's own where it is written to. ``kept`` are
    the maps of this process, which are made once.
    """
    from lattice_addons.encoding import decode

    whole = kept.get(path)
    if whole is None:
        with open(path, "rb") as file:
            whole = kept[path] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    length = int.from_bytes(whole[:_LENGTH], "little")
    header = json.loads(whole[_LENGTH : _LENGTH + length])
    if header["own"]:
        with open(path, "rb") as file:
            # Not kept: the next run must not see what this one writes.
            whole = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    view = memoryview(whole)
    buffers = [view[at : at + size] for at, size in header["buffers"]]
    text = None if header["value"] is None else header["value"].encode("utf-8", "surrogateescape")
    return decode(header["encoding"], text, buffers, type=header["type"])


def _laid_out(value: Encoded) -> tuple[bytes, list[tuple[int, Any]]]:
    """Give the header and where each buffer goes; each begins at a page of its own."""
    buffers = [_whole(each) for each in value.buffers]
    sizes = [len(each) for each in buffers]
    told = {
        "encoding": value.encoding,
        "type": value.type,
        "value": None if value.value is None else bytes(value.value).decode("utf-8", "surrogateescape"),
        "own": _has_tensors(value, buffers),
    }
    room = _LENGTH + len(json.dumps(told)) + 48 * (len(sizes) + 1)
    places = []
    at = _up(room)
    for size in sizes:
        places.append((at, size))
        at = _up(at + size)
    text = json.dumps({**told, "buffers": places}).encode()
    header = len(text).to_bytes(_LENGTH, "little") + text
    return header, [(at, each) for (at, _), each in zip(places, buffers, strict=True)]


def _whole(buffer: Any) -> memoryview:
    """Give the bytes of a buffer in one stretch; only a pickle's own bytes may come in several."""
    pieces = getattr(buffer, "pieces", None)
    return memoryview(buffer if pieces is None else b"".join(pieces())).cast("B")


def _has_tensors(value: Encoded, buffers: list[memoryview]) -> bool:
    if "torch" not in sys.modules:
        return False
    # The functions that make a tensor's memory again stand by name in a pickle.
    pickled = value.value is None and bool(buffers) and b"storage" in bytes(buffers[0])
    return value.encoding == "tree" or pickled


def _write(descriptor: int, data: bytes | memoryview, at: int) -> None:
    view = memoryview(data)
    while view:
        done = write_at(descriptor, view[:_MOST], at)
        view, at = view[done:], at + done


def _up(size: int) -> int:
    return -(-size // _PAGE) * _PAGE


class _Frame:
    """Goes as arrow's memory, which is shared, and comes back as the polars frame or series that it was."""

    def __init__(self, arrow: Any) -> None:
        self.arrow = arrow

    def __reduce__(self) -> tuple[Any, ...]:
        import polars as pl

        return pl.from_arrow, (self.arrow,)


def _without_polars(value: Any) -> Any:
    """Give a value in which polars' frames are arrow's: pickled by themselves they would be copied."""
    pl = sys.modules.get("polars")
    if pl is None:
        return value
    kind = type(value)
    if kind is dict:
        return {key: _without_polars(each) for key, each in value.items()}
    if kind in (list, tuple):
        return kind(_without_polars(each) for each in value)
    if kind is pl.DataFrame or (kind is pl.Series and value.dtype != pl.Object):
        return _Frame(value.to_arrow(compat_level=pl.CompatLevel.newest()))
    return value
