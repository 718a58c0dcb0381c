"""A stream is cut where its bytes say, and so what is put in or taken out changes the chunks around it only."""

from __future__ import annotations

import hashlib
import random
from typing import TYPE_CHECKING

import pytest

from lattice_addons.checkpoint._boundaries import by_content

if TYPE_CHECKING:
    from collections.abc import Iterator

KIB, MIB = 1024, 1024 * 1024


def noise(size: int) -> bytes:
    """Give the same random bytes each time, on every Python."""
    return hashlib.shake_128(b"noise").digest(size)


def cut(data: bytes, piece: int = 4 * MIB) -> list[bytes]:
    """Cut bytes that come in pieces."""
    return list(by_content(data[at : at + piece] for at in range(0, len(data), piece)))


def settled(pieces: list[bytes]) -> list[bytes]:
    """Give the pieces before the last cut by content, or by length; behind it they are short, if there are any."""
    if pieces and len(pieces[-1]) > 64 * KIB:
        return pieces
    count = len(pieces) - 1
    for short in (4 * KIB, 64 * KIB):
        while count > 0 and len(pieces[count - 1]) == short:
            count -= 1
    return pieces[: max(count, 0)]


def test_the_cuts_are_the_same_everywhere() -> None:
    """What another Python, or another version, has stored is found again."""
    lengths = [len(piece) for piece in cut(noise(MIB))]
    settled_ones = [130712, 70142, 65611, 136150, 127124, 83944, 66284, 81651, 93102, 80195, 68042]
    assert lengths == [*settled_ones, *[4096] * 11, 563]


@pytest.mark.parametrize(
    "data",
    [bytes(9 * MIB + 5), b"the same line again\n" * 400_000, b"\xff" * (5 * MIB), b"ab" * MIB],
    ids=["zeros", "lines", "ones", "two"],
)
def test_monotonous_bytes_are_cut_as_well(data: bytes) -> None:
    """Where the bytes never say that a piece ends, it ends when it is long; many of them are equal."""
    pieces = cut(data)
    assert b"".join(pieces) == data
    assert max(map(len, pieces)) <= 512 * KIB
    assert min(map(len, settled(pieces))) >= 64 * KIB
    assert len(set(settled(pieces))) <= 6


@pytest.mark.one_python
def test_pieces_become_longer_further_on() -> None:
    """A manifest of a large stream does not become as long as if all pieces were as short as the first."""
    lengths = [len(piece) for piece in by_content([noise(8 * MIB)] * 32)]
    assert sum(lengths[:80]) < 16 * MIB
    assert min(lengths[-40:-20]) >= 512 * KIB
    assert max(lengths) <= 4 * MIB
    assert len(lengths) < 700


@pytest.mark.one_python
@pytest.mark.parametrize("size", [3 * MIB, 40 * MIB])
def test_what_is_appended_again_and_again_is_stored_little_more_than_once(size: int) -> None:
    """As a log: each time the end is stored again, and that is short also where pieces are long."""
    data = noise(size)
    stored = set(cut(data))
    written = 0
    line = random.Random(1).randbytes(1000)
    for _ in range(8):
        data += line
        new = set(cut(data)) - stored
        written += sum(map(len, new))
        stored |= new
    assert written < 8 * len(line) + 8 * 4 * KIB + 128 * KIB


@pytest.mark.one_python
def test_little_is_in_memory() -> None:
    """A stream of any length passes through: no more is read ahead than the longest piece needs."""
    read = given = 0
    data = noise(MIB)

    def endless() -> Iterator[bytes]:
        nonlocal read
        while True:
            read += MIB
            yield data

    for piece in by_content(endless()):
        given += len(piece)
        assert read - given <= 6 * MIB
        if given > 200 * MIB:
            break
