"""Ranges that were fetched are here until they are dropped; what is damaged is as if it were not here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from lattice_addons.storage.spool._cache import Cache
from tests.unit.storage.spool.machines import flip

if TYPE_CHECKING:
    import pytest

DATA = os.urandom(5000)


def held(cache: Cache, start: int, stop: int, tag: str = "") -> bytes:
    """Give what the cache has of a range, from its beginning."""
    buffer = bytearray(stop - start)
    return bytes(buffer[: cache.read_into("job/a.pack", tag, start, memoryview(buffer))])


def files(top: Path) -> list[Path]:
    """Give the files of a cache."""
    return [path for path in top.rglob("*") if path.is_file()]


def test_ranges_side_by_side_are_one(tmp_path: Path) -> None:
    """A read goes as far as there is something; another process finds it, too."""
    cache = Cache(str(tmp_path))
    assert cache.add("job/a.pack", "", 0, DATA[:1000])
    assert cache.add("job/a.pack", "", 1000, DATA[1000:3000])
    for each in (cache, Cache(str(tmp_path))):
        assert held(each, 10, 2990) == DATA[10:2990]
        assert held(each, 2000, 5000) == DATA[2000:3000]
        assert held(each, 3000, 5000) == b""
        assert list(each.missing("job/a.pack", "", 500, 4000)) == [(3000, 4000)]


def test_damage_and_theft(tmp_path: Path) -> None:
    """A file that was altered, cut off or removed is fetched again."""
    for spoil in (flip, lambda path: os.truncate(path, 100), Path.unlink):
        Cache(str(tmp_path)).add("job/a.pack", "", 0, DATA)
        for path in files(tmp_path):
            spoil(path)
        cache = Cache(str(tmp_path))
        assert held(cache, 0, 5000) == b""
        assert list(cache.missing("job/a.pack", "", 0, 5000)) == [(0, 5000)]


def test_versions(tmp_path: Path) -> None:
    """What was fetched of another version of a key is not given for this one."""
    cache = Cache(str(tmp_path))
    cache.add("job/a.pack", "one", 0, DATA)
    assert held(cache, 0, 10, "two") == b""
    assert held(cache, 0, 10, "one") == DATA[:10]


def test_dropping(tmp_path: Path) -> None:
    """Nothing is left of a key, neither on the disk nor in memory."""
    cache = Cache(str(tmp_path))
    cache.add("job/a.pack", "", 0, DATA)
    assert held(cache, 0, 10) == DATA[:10]
    assert cache.drop("job/a.pack")
    assert files(tmp_path) == []
    assert held(cache, 0, 10) == b""
    assert not cache.drop("job/a.pack")


def test_what_is_kept_in_memory_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is added again, dropped and read again, there is no more of it than may be."""
    monkeypatch.setattr("lattice_addons.storage.spool._cache._LOADED", 3000)
    cache = Cache(str(tmp_path))
    for turn in range(3):
        for n in range(5):
            key = f"job/{n}.json"
            cache.add(key, "", 0, DATA[: 600 + n])
            for _ in range(2):
                assert cache.read_into(key, "", 0, memoryview(bytearray(600))) == 600
            assert cache._loaded_bytes == sum(map(len, cache._loaded.values())) <= 3000
        cache.drop(f"job/{turn + 2}.json")
    assert len(cache._loaded) == 3


def test_a_full_disk(tmp_path: Path) -> None:
    """Where nothing can be kept, that is no error."""
    (tmp_path / "job").write_text("a file where a folder should be")
    cache = Cache(str(tmp_path))
    assert not cache.add("job/a.pack", "", 0, DATA)
    assert held(cache, 0, 10) == b""


RANGES = st.tuples(st.integers(0, 4999), st.integers(1, 2000))


@given(st.lists(RANGES), RANGES)
def test_any_ranges(tmp_path_factory: object, ranges: list[tuple[int, int]], asked: tuple[int, int]) -> None:
    """Whatever was fetched: what is held is right, and it and what is missing are the whole."""
    cache = Cache(str(tmp_path_factory.mktemp("cache")))  # type: ignore[attr-defined]
    here = [False] * len(DATA)
    for start, length in ranges:
        data = DATA[start : start + length]
        if any(not here[at] for at in range(start, start + len(data))):
            cache.add("job/a.pack", "", start, data)
            here[start : start + len(data)] = [True] * len(data)
    start, stop = asked[0], min(asked[0] + asked[1], len(DATA))
    missing = {at for begin, end in cache.missing("job/a.pack", "", start, stop) for at in range(begin, end)}
    assert {at for at in range(start, stop) if not here[at]} <= missing <= set(range(start, stop))
    got = held(cache, start, stop)
    assert got == DATA[start : start + len(got)]
    assert start + len(got) == stop or start + len(got) in missing
