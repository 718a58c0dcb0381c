"""A piece of a value is compared with what was saved last, copied, digested, and perhaps compressed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final, TypeAlias

from xxhash import xxh3_128_digest

from lattice_addons.checkpoint._model import CHUNK
from lattice_addons.checkpoint._read import digest_of
from lattice_addons.checkpoint._squeeze import squeeze
from lattice_addons.errors import EncodeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from lattice_addons.checkpoint._cipher import Cipher
    from lattice_addons.checkpoint._kept import Block
    from lattice_addons.checkpoint._model import Chunk

__all__ = [
    "PAGE",
    "Batch",
    "Guess",
    "Piece",
    "Saved",
    "Seen",
    "copy",
    "name_all",
    "stale",
    "tracked",
    "whole_pages",
]

PAGE: Final = 4096
_TRY_EVERY: Final = 16
_SOME: Final = 4
_HALF: Final = "half"


class Saved:
    """What this process saved last at one place of one buffer of one slot.

    ``fingerprint`` is no digest: it only tells that nothing has changed since. ``changed`` says that the save
    before found something else there, and so the next one probably will.
    """

    __slots__ = ("changed", "chunk", "fingerprint")

    def __init__(self, fingerprint: bytes, chunk: Chunk, *, changed: bool) -> None:
        self.fingerprint = fingerprint
        self.chunk = chunk
        self.changed = changed


class Guess:
    """Whether what comes next has changed; found out by trying some of it.

    To compare what has changed is one more pass over its bytes; not to compare what has not is a copy for nothing.
    What changed at the last save is expected to have changed again once one piece of it has, and anything else when
    some pieces in a row have.
    """

    __slots__ = ("_in_a_row", "_untried")

    def __init__(self) -> None:
        self._in_a_row = 0
        self._untried = 0

    def worth_comparing(self, saved: Saved) -> bool:
        """Say whether to compare the next one; every so often one is tried whatever was found before."""
        self._untried += 1
        if self._in_a_row >= (1 if saved.changed else _SOME) and self._untried < _TRY_EVERY:
            return False
        self._untried = 0
        return True

    def learn(self, *, changed: bool) -> None:
        """Hear what a comparison said."""
        self._in_a_row = self._in_a_row + 1 if changed else 0


#: What was saved last of each slot's buffers, by the slot's name and the buffer's number.
Seen: TypeAlias = "Mapping[tuple[str, int], Sequence[Saved]]"


class Piece:
    """Up to 4 MiB of a buffer on their way into a pack.

    It has ``length`` bytes, and is ``unchanged`` when they are those of ``saved``; else ``digest`` names them. One
    that is ``tracked`` will be compared at the next save. In a block it begins ``at`` a page's start.
    """

    __slots__ = (
        "at", "chunk", "data", "digest", "fingerprint", "length", "lock", "ours", "saved", "squeezed", "tracked",
        "unchanged",
    )  # fmt: skip

    def __init__(
        self, data: bytes | memoryview, saved: Saved | None = None, *, tracked: bool = False
    ) -> None:
        self.data: bytes | memoryview = data
        self.length = len(data)
        self.saved = saved
        self.tracked = tracked
        self.at = 0
        self.unchanged = False
        self.fingerprint = b""
        self.digest = ""
        self.squeezed: bytes | None = None
        # Whether its bytes are in a block, and nobody else's; and what opens them once they are encrypted.
        self.ours = False
        self.lock = ""
        self.chunk: Chunk | None = None

    def compare(self) -> bool:
        """Say whether its bytes, where they are now, are those that were saved last."""
        self.fingerprint = xxh3_128_digest(self.data)
        self.unchanged = self.saved is not None and self.fingerprint == self.saved.fingerprint
        return self.unchanged

    def take(self, block: Block, guess: Guess) -> None:
        """Copy it to a block, unless it has not changed.

        From here on only the copy counts: another thread may change an array meanwhile.
        """
        if self.saved is not None and guess.worth_comparing(self.saved):
            unchanged = self.compare()
            guess.learn(changed=not unchanged)
            if unchanged:
                # The program may do with its memory what it likes, as make it smaller.
                self.data = b""
                return
        end = self.at + self.length
        target = block.view[self.at : end]
        copy(self.data, target)
        # The rest of the page is written with it, and must not show what was there before.
        block.view[end : whole_pages(end)] = bytes(-end % PAGE)
        self.data = target
        self.ours = True

    def name(self, known: Callable[[str], Chunk | None], cipher: Cipher | None = None) -> None:
        """Find out what it is called, and its shortest form if nobody knows that name; encrypt that."""
        if self.unchanged or self.digest or (self.tracked and self.compare()):
            return
        self.digest = digest_of(self.data)
        if known(self.digest) is None:
            self.squeezed = squeeze(self.data)
            if cipher is not None:
                self.encrypt(cipher)

    def encrypt(self, cipher: Cipher) -> None:
        """Encrypt the form in which it will be written, unless that is done."""
        if self.lock:
            return
        # Should this be interrupted, nobody knows any more which bytes it has.
        self.lock = _HALF
        if self.squeezed is not None:
            self.squeezed, lock = cipher.lock(self.squeezed)
        elif self.ours and isinstance(self.data, memoryview):
            lock = cipher.lock_in_place(self.data, self.digest)
        else:
            self.data, lock = cipher.lock(self.data)
        self.lock = lock

    def form(self) -> tuple[int, str]:
        """Give its compressed length, or 0, and its lock; its compressed form is written now, and let go."""
        if self.lock == _HALF:
            raise stale()
        form = len(self.squeezed or b""), self.lock
        if self.squeezed is not None:
            self.squeezed, self.lock = None, ""
        return form


def tracked(
    parts: Iterable[bytes | memoryview], saved: Sequence[Saved], here: Callable[[Chunk], Chunk | None]
) -> list[Piece]:
    """Make pieces of a buffer's parts, to be compared with what was saved of them last and is still there."""
    pieces = []
    for number, part in enumerate(parts):
        last = saved[number] if number < len(saved) else None
        there = last is not None and here(last.chunk) is not None
        pieces.append(Piece(part, last if there else None, tracked=True))
    return pieces


class Batch:
    """Pieces that share a block, each at the start of a page, and are worked on in one go."""

    __slots__ = ("block", "pieces", "size")

    def __init__(self) -> None:
        self.block: Block | None = None
        self.pieces: list[Piece] = []
        self.size = 0

    def fits(self, piece: Piece) -> bool:
        """Say whether there is room for one more."""
        return self.size + piece.length <= CHUNK

    def add(self, piece: Piece) -> None:
        """Take one more in."""
        piece.at = self.size
        self.pieces.append(piece)
        self.size = whole_pages(self.size + piece.length)

    def take(self, block: Block, guess: Guess) -> Batch:
        """Copy what has changed, or may have."""
        self.block = block
        for piece in self.pieces:
            piece.take(block, guess)
        if all(piece.unchanged for piece in self.pieces):
            self.block = None
        return self


def name_all(
    pieces: Sequence[Piece], known: Callable[[str], Chunk | None], cipher: Cipher | None = None
) -> Sequence[Piece]:
    """Find out of each piece whether it is new, and what it is called."""
    for piece in pieces:
        piece.name(known, cipher)
    return pieces


def stale() -> EncodeError:
    """Make the error for a piece whose bytes are nowhere any more."""
    message = (
        "what had not changed was taken to be in the store, and has vanished from it meanwhile: save again"
    )
    return EncodeError(message, type="", where="")


def whole_pages(size: int) -> int:
    """Round up to whole pages."""
    return -(-size // PAGE) * PAGE


def copy(source: bytes | memoryview, target: memoryview) -> None:
    """Copy bytes, without the interpreter's lock where that can be: other threads copy meanwhile."""
    numpy = sys.modules.get("numpy")
    if numpy is None:
        target[:] = source
        return
    numpy.copyto(numpy.frombuffer(target, "u1"), numpy.frombuffer(source, "u1"))
