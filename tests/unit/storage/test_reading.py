"""A key that is open is read by pages, directly, or mapped; no more descriptors than one are open for it."""

from __future__ import annotations

import fcntl
import mmap
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from lattice_addons.errors import DamagedError, NotInStoreError
from lattice_addons.storage import MemoryStore
from tests.descriptors import open_under

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lattice_addons.storage import LocalStore, Store

PAGE = mmap.PAGESIZE
DATA = os.urandom(5 * PAGE + 123)


@pytest.fixture(params=["local", "memory"])
def any_store(request: pytest.FixtureRequest, store: LocalStore, tmp_path: Path) -> Store:
    """Give a store with one key."""
    made: Store = store if request.param == "local" else MemoryStore(str(tmp_path))
    made.put("job/key", DATA)
    return made


@pytest.mark.parametrize("direct", [False, True])
def test_an_open_key_is_read_at_any_place(any_store: Store, direct: bool) -> None:
    """Its size, whole pages of it, and any bytes; too few are an error."""
    with any_store.reading("job/key", direct=direct) as reader:
        assert reader.size == len(DATA)
        block = memoryview(mmap.mmap(-1, 8 * PAGE))
        for start in (0, PAGE, 5 * PAGE):
            assert reader.read_pages(start, block) == len(DATA) - start
            assert block[: len(DATA) - start] == DATA[start:]
        assert reader.read_pages(2 * PAGE, block[:PAGE]) == PAGE
        assert block[:PAGE] == DATA[2 * PAGE : 3 * PAGE]
        assert reader.read_pages(6 * PAGE, block) == 0
        part = memoryview(bytearray(1000))
        reader.read_into(77, part)
        assert part == DATA[77:1077]
        with pytest.raises(DamagedError):
            reader.read_into(len(DATA) - 999, part)
    with pytest.raises(NotInStoreError), any_store.reading("job/other", direct=direct):
        pass


def test_threads_read_from_one_descriptor(any_store: Store) -> None:
    """Each its own place."""
    with any_store.reading("job/key") as reader, ThreadPoolExecutor(4) as pool:

        def read(start: int) -> bytes:
            part = bytearray(100)
            reader.read_into(start, memoryview(part))
            return bytes(part)

        starts = range(0, len(DATA) - 100, 100)
        assert list(pool.map(read, starts)) == [DATA[start : start + 100] for start in starts]


def test_direct_reads_pass_the_cache_where_they_can(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that wants another alignment is read all the same."""
    store.put("job/key", DATA)
    with store.reading("job/key", direct=True) as reader:
        flags = fcntl.fcntl(reader._descriptor, fcntl.F_GETFL)
        if not flags & os.O_DIRECT:
            pytest.skip("this file system has no direct reads")
        preadv = os.preadv

        def picky(descriptor: int, buffers: Sequence[memoryview], at: int) -> int:
            if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_DIRECT:
                raise OSError(22, "Invalid argument")
            return preadv(descriptor, buffers, at)

        monkeypatch.setattr(os, "preadv", picky)
        block = memoryview(mmap.mmap(-1, 8 * PAGE))
        assert reader.read_pages(0, block) == len(DATA)
        assert block[: len(DATA)] == DATA


def test_threads_that_are_refused_direct_reads_together(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that comes second, when the other has seen to it already, reads as well."""
    store.put("job/key", DATA)
    with store.reading("job/key", direct=True) as reader:
        if not fcntl.fcntl(reader._descriptor, fcntl.F_GETFL) & os.O_DIRECT:
            pytest.skip("this file system has no direct reads")
        preadv, turns, second_is_in = os.preadv, iter(range(2)), threading.Event()

        def picky(descriptor: int, buffers: Sequence[memoryview], at: int) -> int:
            if (turn := next(turns, None)) is None:
                return preadv(descriptor, buffers, at)
            if turn == 0:
                second_is_in.wait(60)
            else:
                second_is_in.set()
                deadline = time.monotonic() + 60
                while reader._direct and time.monotonic() < deadline:
                    time.sleep(0.001)
            raise OSError(22, "Invalid argument")

        monkeypatch.setattr(os, "preadv", picky)

        def read(_: int) -> bytes:
            block = memoryview(mmap.mmap(-1, 8 * PAGE))
            return bytes(block[: reader.read_pages(0, block)])

        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(read, range(2))) == [DATA, DATA]


def test_a_mapping_is_private_and_stays(store: LocalStore) -> None:
    """What is written to it comes neither into the file nor into another mapping, and it needs no file."""
    store.put("job/key", DATA)
    one = store.map("job/key", PAGE, 3 * PAGE + 5)
    two = store.map("job/key", PAGE, 3 * PAGE + 5)
    assert one is not None
    assert two is not None
    assert one == DATA[PAGE : 4 * PAGE + 5]
    one[0] ^= 1
    assert store.read("job/key") == DATA
    store.delete(["job/key"])
    store.put("job/key", bytes(len(DATA)))
    assert two == DATA[PAGE : 4 * PAGE + 5]
    assert bytes(one[1:]) == DATA[PAGE + 1 : 4 * PAGE + 5]


def test_what_cannot_be_mapped_is_none(store: LocalStore, tmp_path: Path) -> None:
    """A place that is no page's start, nothing at all, and a store without files; beyond the end is damage."""
    store.put("job/key", DATA)
    assert store.map("job/key", 5, 100) is None
    assert store.map("job/key", 0, 0) is None
    with pytest.raises(DamagedError):
        store.map("job/key", PAGE, len(DATA))
    memory = MemoryStore(str(tmp_path))
    memory.put("key", DATA)
    assert memory.map("key", 0, PAGE) is None
    with pytest.raises(NotInStoreError):
        store.map("job/other", 0, PAGE)


def test_mappings_hold_no_descriptors(store: LocalStore, tmp_path: Path) -> None:
    """There may be more arrays than a process may have files open."""
    store.put("job/key", DATA)
    before = open_under(tmp_path)
    mapped = [store.map("job/key", 0, PAGE) for _ in range(50)]
    assert None not in mapped
    assert open_under(tmp_path) == before
