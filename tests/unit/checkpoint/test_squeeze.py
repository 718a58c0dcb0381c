"""A chunk is compressed where that clearly pays, and what was compressed is expanded with care."""

from __future__ import annotations

import json
import os
import random
import threading
import tracemalloc

import numpy as np
import pytest
import zstandard

from lattice_addons.checkpoint._squeeze import expand, squeeze

MIB = 1024 * 1024
TEXT = json.dumps([{"step": n, "loss": 1 / (n + 1)} for n in range(40_000)]).encode()


@pytest.mark.parametrize(
    "data",
    [TEXT, bytes(4 * MIB), np.arange(MIB // 2).tobytes(), TEXT[:5000], bytearray(TEXT), memoryview(TEXT)],
    ids=["text", "zeros", "integers", "short", "bytearray", "memoryview"],
)
def test_what_becomes_much_smaller_is_compressed(data: bytes) -> None:
    """And comes back as it was."""
    squeezed = squeeze(data)
    assert squeezed is not None
    assert len(squeezed) * 1.5 <= len(data)
    assert expand(squeezed, len(data)) == data


@pytest.mark.parametrize(
    "data",
    [
        np.random.default_rng(0).standard_normal(MIB).astype("f4").tobytes(),
        os.urandom(4 * MIB),
        TEXT[:4095],
        b"",
        os.urandom(MIB) + TEXT[: MIB // 4] + os.urandom(MIB),
    ],
    ids=["weights", "noise", "little", "nothing", "mostly noise"],
)
def test_what_does_not_is_left_as_it_is(data: bytes) -> None:
    """Float weights above all: they would cost much and give nothing."""
    assert squeeze(data) is None


def test_a_sample_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of four MiB that become no smaller only a few KiB are ever compressed."""
    tried: list[int] = []

    class Counting:
        """A compressor that notes how much it was given."""

        def __init__(self) -> None:
            self._real = zstandard.ZstdCompressor(level=1)

        def compress(self, data: bytes) -> bytes:
            """Compress."""
            tried.append(len(data))
            return self._real.compress(data)

    monkeypatch.setattr("lattice_addons.checkpoint._squeeze._contexts.compressor", Counting())
    assert squeeze(os.urandom(4 * MIB)) is None
    assert sum(tried) <= 4096


@pytest.mark.parametrize(
    ("told", "length"),
    [
        (b"no frame at all", 15),
        (b"", 0),
        (zstandard.compress(TEXT)[:-1], len(TEXT)),
        (zstandard.compress(TEXT) + b"x", len(TEXT)),
        (zstandard.compress(TEXT) * 2, 2 * len(TEXT)),
        (zstandard.compress(TEXT), len(TEXT) - 1),
        (zstandard.compress(TEXT), len(TEXT) + 1),
        (zstandard.ZstdCompressor(write_content_size=False).compress(TEXT), len(TEXT)),
    ],
    ids=["noise", "nothing", "cut off", "more", "two frames", "too long", "too short", "without a size"],
)
def test_what_is_no_compressed_chunk_of_this_length_is_refused(told: bytes, length: int) -> None:
    """With an error that the reader makes damage of."""
    with pytest.raises(ValueError, match="compressed chunk"):
        expand(told, length)


def test_any_flipped_bit_is_refused_or_gives_as_many_bytes() -> None:
    """What it gives then is for the digest to find out."""
    squeezed = squeeze(TEXT)
    assert squeezed is not None
    chosen = random.Random(3)
    for _ in range(200):
        damaged = bytearray(squeezed)
        damaged[chosen.randrange(len(damaged))] ^= 1 << chosen.randrange(8)
        try:
            assert len(expand(damaged, len(TEXT))) == len(TEXT)
        except ValueError:
            continue


def test_a_small_frame_that_says_it_is_huge_takes_no_memory() -> None:
    """Not even for a moment: the length that the manifest says is the most that is allocated."""
    huge = zstandard.compress(bytes(256 * MIB))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="should have 4096"):
            expand(huge, 4096)
        assert tracemalloc.get_traced_memory()[1] < MIB
    finally:
        tracemalloc.stop()


def test_threads_compress_side_by_side() -> None:
    """Each with a context of its own."""
    texts = [TEXT[n * 1000 :] for n in range(8)]
    wrong: list[bytes] = []

    def work(text: bytes) -> None:
        for _ in range(10):
            squeezed = squeeze(text)
            if squeezed is None or expand(squeezed, len(text)) != text:
                wrong.append(text)

    threads = [threading.Thread(target=work, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
