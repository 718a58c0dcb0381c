"""A portable file has one checkpoint: a plain tar of its manifest and a pack of exactly its chunks."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import orjson

from lattice_addons._system import O_CLOEXEC, O_NONBLOCK, read_at
from lattice_addons.checkpoint._fresh import fresh
from lattice_addons.checkpoint._layout import rank_folder
from lattice_addons.checkpoint._manifest import parse
from lattice_addons.checkpoint._model import CHUNK
from lattice_addons.checkpoint._read import digest_of, expanded
from lattice_addons.errors import DamagedError, NotInStoreError, StoreError

if TYPE_CHECKING:
    import tarfile
    from collections.abc import Callable, Iterator, Sequence

    from typing_extensions import Self

    from lattice_addons.checkpoint._cipher import Cipher
    from lattice_addons.checkpoint._model import Checkpoint, Chunk, Entry

__all__ = ["BLOCK", "MANIFEST", "PACK", "Portable", "moved"]

MANIFEST: Final = "manifest.json"
#: The name of the pack: always the same, so that the same checkpoint makes the same file.
PACK: Final = "0" * 26
#: A tar consists of blocks of so many bytes.
BLOCK: Final = 512
_LONGEST_MANIFEST: Final = 256 * 1024 * 1024


class Portable:
    """One checkpoint in a file; within the ``with`` block it is open, and every byte of it was verified.

    Raises, when the block is entered:
        DamagedError: it is no such file, or not as it was written.
        UntrustedError, FormatError: its manifest cannot be used.
        WrongKeyError: it is encrypted with another key than that of ``cipher``.
        StoreError: it cannot be read.
    """

    __module__ = "lattice_addons.checkpoint"

    checkpoint: Checkpoint

    def __init__(self, path: str, key: bytes | None, cipher: Cipher | None = None) -> None:
        self.path = path
        self.cipher = cipher
        self._key = key
        self._descriptor = -1
        self._pack = (0, 0)
        self._block = memoryview(b"")

    def __enter__(self) -> Self:
        """Open and verify it."""
        try:
            # Without waiting: nobody may ever write to a pipe of that name.
            self._descriptor = os.open(self.path, os.O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        except OSError as error:
            raise self._unreadable(error) from error
        try:
            self._block = memoryview(bytearray(CHUNK))
            self._verify()
        except BaseException:  # Ctrl-C, too: a block that is never entered closes no file
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        """Close it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def chunks(self) -> list[Chunk]:
        """Give its chunks, each once, in the order in which they lie in the pack."""
        return sorted(set(self.checkpoint.chunks()), key=lambda chunk: chunk.offset)

    def stored(self, chunk: Chunk) -> memoryview:
        """Give a chunk's bytes as they are stored, verified; the next call uses the same memory."""
        return self._read(chunk)[0]

    def read(self, entry: Entry) -> tuple[bytes | None, list[bytearray | memoryview]]:
        """Give a slot's value and its buffers, as `Line.read` does."""
        buffers: list[bytearray | memoryview] = []
        for chunks in entry.buffers:
            buffers.append(fresh(sum(chunk.length for chunk in chunks)))
            at = 0
            for chunk in chunks:
                memoryview(buffers[-1])[at : at + chunk.length] = self._read(chunk)[1]
                at += chunk.length
        return entry.value, buffers

    def _read(self, chunk: Chunk) -> tuple[memoryview, bytes | bytearray | memoryview]:
        raw = self._block[: chunk.extent]
        self._fill(self._pack[0] + chunk.offset, raw)
        try:
            whole = expanded(chunk, raw)
        except (DamagedError, ValueError):
            whole = b""
        if len(whole) != chunk.length or digest_of(whole) != chunk.digest:
            raise self._damaged(f"the {chunk.extent} bytes at {chunk.offset} of its pack were altered")
        return raw, whole

    def _verify(self) -> None:
        status = os.fstat(self._descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise self._damaged("it is no regular file")
        begin, size = self._member(0, status.st_size, MANIFEST)
        if size > _LONGEST_MANIFEST:
            raise self._damaged(f"its manifest would have {size} bytes")
        text = bytearray(size)
        self._fill(begin, memoryview(text))
        self._check_zeros(begin + size, _whole_blocks(begin + size), "its manifest")
        self._pack = self._member(_whole_blocks(begin + size), status.st_size, f"{PACK}.pack")
        end = sum(self._pack)
        self._check_zeros(end, max(status.st_size, _whole_blocks(end) + 2 * BLOCK), "its pack")
        self.checkpoint = self._parsed(bytes(text))
        try:
            self._check_chunks()
            self.checkpoint.read_tables()
            rank_folder(self.checkpoint.job, self.checkpoint.rank)
        except (DamagedError, StoreError) as error:
            raise self._damaged(_reason(error)) from error

    def _member(self, at: int, end: int, name: str) -> tuple[int, int]:
        """Give where the bytes of a member begin and how many they are; nothing but this member may be there."""
        import tarfile

        header = bytearray(BLOCK)
        self._fill(at, memoryview(header))
        try:
            info = tarfile.TarInfo.frombuf(bytes(header), "utf-8", "strict")
        except (tarfile.HeaderError, UnicodeError):
            raise self._damaged("it is no tar file, or was cut off") from None
        if not _is_plain(info) or info.name != name:
            raise self._damaged(
                f"it has {info.name!r} (type {info.type!r}) where the file {name!r} should be"
            )
        if info.size < 0 or at + BLOCK + info.size > end:
            raise self._damaged(f"it ends at byte {end}, before the end of {name}")
        return at + BLOCK, info.size

    def _check_zeros(self, begin: int, end: int, what: str) -> None:
        for start in range(begin, end, CHUNK):
            rest = self._block[: min(CHUNK, end - start)]
            self._fill(start, rest)
            if any(rest):
                raise self._damaged(f"something else follows {what}, at byte {start} or later")

    def _parsed(self, text: bytes) -> Checkpoint:
        try:
            return parse(text, self._key, self.path, _place(text), self._texts, self.cipher)
        except DamagedError as error:
            raise self._damaged(_reason(error)) from error

    def _texts(self, tables: Sequence[tuple[Chunk, ...]]) -> list[bytes]:
        return [b"".join(bytes(self._read(chunk)[1]) for chunk in table) for table in tables]

    def _check_chunks(self) -> None:
        """See that the pack has these chunks, one behind the other, and nothing else."""
        at = 0
        for chunk in self.chunks():
            if chunk.pack != PACK or chunk.offset != at:
                raise self._damaged(f"its manifest names bytes at {chunk.offset} of pack {chunk.pack}")
            at += chunk.extent
            if at <= self._pack[1]:
                self._read(chunk)
        if at != self._pack[1]:
            raise self._damaged(f"its pack has {self._pack[1]} bytes, and its manifest names {at}")

    def _fill(self, at: int, target: memoryview) -> None:
        done = 0
        while done < len(target):
            try:
                count = read_at(self._descriptor, target[done:], at + done)
            except OSError as error:
                raise self._unreadable(error) from error
            if not count:
                raise self._damaged(f"it ends at byte {at + done}")
            done += count

    def _damaged(self, what: str) -> DamagedError:
        message = f"{self.path} cannot be imported: {what}; nothing was written. Have it exported again"
        return DamagedError(message, key=self.path)

    def _unreadable(self, error: OSError) -> StoreError:
        kind = NotInStoreError if isinstance(error, FileNotFoundError) else StoreError
        message = f"cannot read {self.path}: {error.strerror}"
        return kind(message, url=self.path, key=self.path, errno=error.errno)


def moved(checkpoint: Checkpoint, place: Callable[[Chunk], Chunk]) -> Checkpoint:
    """Give a checkpoint whose chunks lie elsewhere."""

    def each(buffers: Sequence[Sequence[Chunk]]) -> Iterator[tuple[Chunk, ...]]:
        return (tuple(map(place, buffer)) for buffer in buffers)

    slots = {
        name: replace(entry, buffers=tuple(each(entry.buffers))) for name, entry in checkpoint.lines.items()
    }
    return replace(checkpoint, slots=slots, tables=tuple(each(checkpoint.tables)))


def _is_plain(info: tarfile.TarInfo) -> bool:
    return info.type in (b"0", b"\0") and not info.linkname


def _whole_blocks(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _place(text: bytes) -> tuple[str, int, int]:
    """Give the place that a manifest says; whether it is one is found out when it is parsed."""
    try:
        told = orjson.loads(text)
        return told["job"], told["rank"], told["number"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return "", 0, 0


def _reason(error: DamagedError | StoreError) -> str:
    """Give what is wrong without the advice, which is for a store."""
    return str(error).partition(". `lattice")[0].removesuffix("; nothing was written. Have it exported again")
