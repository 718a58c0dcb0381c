"""However a stream is made and comes, its pieces are its bytes, and follow them."""

from __future__ import annotations

import random
import statistics
from itertools import pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st

from lattice_addons.checkpoint._boundaries import by_content
from tests.unit.checkpoint.test_boundaries import settled

KIB = 1024
LEAST, MOST = 64 * KIB, 512 * KIB

#: Parts of very different kinds, told by their length: noise from a seed, or some bytes again and again.
parts = st.tuples(
    st.one_of(st.integers(0, 2**32), st.binary(min_size=1, max_size=80)), st.integers(0, 600 * KIB)
)
streams = st.lists(parts, max_size=4)


def made(told: list[tuple[int | bytes, int]]) -> bytes:
    """Make a stream as it is told."""
    return b"".join(
        random.Random(what).randbytes(size)
        if isinstance(what, int)
        else (what * (size // len(what) + 1))[:size]
        for what, size in told
    )


@settings(max_examples=60, deadline=None)
@given(streams, st.lists(st.integers(0, 2**21), max_size=6))
@example([(b"\0", MOST)], [])
@example([(b"\0", 2 * MOST)], [7])
def test_pieces_join_to_the_stream_however_it_comes(
    told: list[tuple[int | bytes, int]], places: list[int]
) -> None:
    """And have lengths within bounds, but for those behind the last cut."""
    data = made(told)
    begins = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    pieces = list(by_content(data[start:stop] for start, stop in pairwise(begins)))
    assert b"".join(pieces) == data
    assert pieces == list(by_content([data]))
    assert all(LEAST < len(piece) <= MOST for piece in settled(pieces))
    assert all(0 < len(piece) <= 64 * KIB for piece in pieces[len(settled(pieces)) :])


@settings(max_examples=60, deadline=None)
@given(streams, streams)
@example([(b"\0", MOST)], [(b"\0", 1)])
def test_what_grows_keeps_its_pieces(
    told: list[tuple[int | bytes, int]], more: list[tuple[int | bytes, int]]
) -> None:
    """All but those behind the last cut."""
    data = made(told)
    kept = settled(list(by_content([data])))
    assert list(by_content([data + made(more)]))[: len(kept)] == kept


def test_what_is_put_in_or_taken_out_changes_the_pieces_around() -> None:
    """Behind it the cuts are soon those that were there before: how soon is chance, so that cases are counted."""
    chance = random.Random(1)
    counts = []
    for _ in range(60):
        size = chance.randrange(500 * KIB, 2000 * KIB)
        data = made([(chance.getrandbits(32), size)])
        place, removed = chance.randrange(size), chance.randrange(3000)
        inserted = chance.randbytes(chance.randrange(2000))
        before = set(by_content([data]))
        changed = by_content([data[:place] + inserted + data[place + removed :]])
        counts.append(len([piece for piece in changed if piece not in before]))
    assert statistics.median(counts) <= 4
    assert sum(count > 8 for count in counts) <= 6
