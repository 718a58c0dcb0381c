"""A stream that is what it was is not cut again; and its pieces are the same whatever was saved before."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from lattice_addons.checkpoint._boundaries import by_content
from lattice_addons.checkpoint._follow import Follower
from lattice_addons.checkpoint._model import Chunk
from lattice_addons.checkpoint._pieces import Piece, Saved
from lattice_addons.encoding import Experience, encode
from tests.unit.checkpoint.lines import fresh, line_of, value
from tests.unit.checkpoint.test_boundaries import noise

if TYPE_CHECKING:
    from lattice_addons.storage import Store

KIB, MIB = 1024, 1024 * 1024
DATA = noise(3 * MIB)


def saved_of(data: bytes) -> list[Saved]:
    """Say what was saved of a stream."""
    pieces = [Piece(cut) for cut in by_content([data])]
    for number, piece in enumerate(pieces):
        piece.compare()
        piece.chunk = Chunk(str(number), piece.length, "", 0)
    return [Saved(piece.fingerprint, piece.chunk, changed=False) for piece in pieces if piece.chunk]


def followed(
    data: bytes, saved: list[Saved], step: int = MIB, gone: str = ""
) -> tuple[list[int], list[bytes]]:
    """Give the lengths of all pieces of a stream, and those that were added; one chunk may be gone."""
    added: list[bytes] = []

    def add(piece: Piece) -> Piece:
        added.append(bytes(piece.data))
        return piece

    follower = Follower(add, saved, lambda chunk: chunk if chunk.digest != gone else None)
    pieces = [piece for at in range(0, len(data), step) for piece in follower.feed(data[at : at + step])]
    pieces += follower.end()
    assert all(piece.unchanged == (piece.chunk is not None) for piece in pieces)
    return [piece.length for piece in pieces], added


def cuts(data: bytes) -> list[int]:
    """Give the lengths of the pieces that a stream is cut into."""
    return list(map(len, by_content([data])))


@pytest.mark.parametrize("step", [777, 64 * KIB, 4 * MIB])
@pytest.mark.parametrize("size", [0, 1, 5000, 300 * KIB, MIB, 3 * MIB])
def test_of_what_is_what_it_was_nothing_is_added(size: int, step: int) -> None:
    """To its very end."""
    data = DATA[:size]
    assert followed(data, saved_of(data), step) == (cuts(data), [])


CHANGES = {
    "replaced": DATA[: MIB + 5] + b"x" + DATA[MIB + 6 :],
    "at the start": b"x" + DATA[1:],
    "at the end": DATA[:-1] + b"x",
    "put in": DATA[:MIB] + b"put in" + DATA[MIB:],
    "put in before": b"put in" + DATA,
    "taken out": DATA[:MIB] + DATA[MIB + 999 :],
    "grown": DATA + noise(MIB)[5:],
    "grown a little": DATA + b"x",
    "shorter": DATA[: 2 * MIB],
    "a little shorter": DATA[:-1],
    "another": noise(4 * MIB)[1:],
    "zeros": bytes(2 * MIB),
    "none": b"",
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_has_changed_is_cut_as_if_nothing_were_known(change: str) -> None:
    """Only then it is found again in a store."""
    data = CHANGES[change]
    lengths, added = followed(data, saved_of(DATA))
    assert lengths == cuts(data)
    assert set(by_content([data])) - set(by_content([DATA])) <= set(added)


def test_where_it_was_cut_last_makes_no_difference_however_it_changes() -> None:
    """Save after save, with one part of it after the other replaced, and with more and less behind it."""
    versions = [DATA[:MIB] + noise(64 * KIB * (n % 5) + n) + DATA[MIB + 90 * KIB * n :] for n in range(10)]
    for before, after in pairwise(versions):
        assert followed(after, saved_of(before))[0] == cuts(after)


def test_behind_what_was_replaced_it_goes_on_as_before() -> None:
    """Of 3 MiB a piece or two are cut again."""
    _, added = followed(CHANGES["replaced"], saved_of(DATA))
    assert 0 < sum(map(len, added)) < 800 * KIB


def test_pieces_whose_bytes_are_gone_are_added() -> None:
    """They are written again; the others are not looked at twice."""
    lengths, added = followed(DATA, saved_of(DATA), gone="2")
    assert lengths == cuts(DATA)
    assert added == [list(by_content([DATA]))[2]]


@pytest.mark.parametrize("plain", [True, False])
def test_a_slot_that_has_not_changed_is_compared_and_not_cut(
    memory: Store, plain: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a text nor a pickle, at whatever save; and what has changed is stored all the same."""
    held: list[object] = [f"{number * number} and {number}, " * 5 for number in range(50_000)]
    held += [] if plain else [(1,)]
    line, experience = line_of(memory), Experience()

    def saved() -> object:
        slot = fresh(held)
        slot = type(slot)(slot.manager, encode(held, experience=experience, most=MIB))
        return line.commit({"held": slot}, parent=None, reason="manual")

    first = saved()
    with monkeypatch.context() as patched:
        patched.setattr("lattice_addons.checkpoint._boundaries._length", None)
        assert saved().slots == first.slots  # type: ignore[attr-defined]
    held[25_000] = "another"
    last = saved()
    assert value(line, last, "held") == held  # type: ignore[arg-type]
    assert 0 < last.metrics["bytes_new"] < 500_000  # type: ignore[attr-defined]
