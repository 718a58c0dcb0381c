"""What every store keeps to when a key is written piece by piece, as tests."""

from __future__ import annotations

import errno
import mmap
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from lattice_addons.errors import NotInStoreError, StoreError

from ._holds import HoldContract

if TYPE_CHECKING:
    from lattice_addons.storage import Store, Writer


class StreamContract(HoldContract):
    """The part of a store's contract that packs need."""

    def test_a_stream(self, store: Store) -> None:
        """Pieces are put together, and the writer knows where the next one begins."""
        with store.create("job/pack") as writer:
            assert writer.position == 0
            writer.write(b"abc")
            writer.write(b"")
            assert writer.position == 3
            writer.write(memoryview(b"defg"))
            assert writer.position == 7
        assert self.stored(store, "job/pack") == b"abcdefg"

    def test_a_stream_written_by_several_threads(self, store: Store) -> None:
        """Each writes its own part, whole pages or not; what nobody wrote is zeros."""
        pages = [mmap.mmap(-1, 8192) for _ in range(4)]
        for number, page in enumerate(pages):
            page.write(bytes([number + 1]) * 8192)
        with store.create("job/pack") as writer, ThreadPoolExecutor(4) as threads:
            for number, page in enumerate(pages):
                threads.submit(writer.write_at, memoryview(page), 12288 * number, paged=True)
            threads.shutdown()
            writer.write_at(b"between", 8192 + 1)
            assert writer.position == 12288 * 3 + 8192
            writer.write(b"end")
        stored = self.stored(store, "job/pack")
        assert stored is not None
        gap = bytes(4096)
        want = (b"\1" * 8192 + b"\0between".ljust(4096, b"\0"), b"\2" * 8192 + gap, b"\3" * 8192 + gap)
        assert stored == b"".join(want) + b"\4" * 8192 + b"end"

    @pytest.mark.parametrize("error", [ValueError, OSError, KeyboardInterrupt])
    def test_a_stream_that_fails_is_not_there(self, store: Store, error: type[BaseException]) -> None:
        """The block's own error comes out, and nothing stays."""

        def fail() -> None:
            with store.create("job/pack") as writer:
                writer.write(b"abc")
                raise error("mine")

        with pytest.raises(error, match="mine") as caught:
            fail()
        assert type(caught.value) is error
        assert self.stored(store, "job/pack") is None
        assert store.list() == []

    def test_a_stream_never_goes_over_an_old_key(self, store: Store) -> None:
        """The old bytes stay, though the new ones are given up."""
        self.plant(store, "job/pack", b"old")
        with pytest.raises(StoreError, match="job/pack") as caught, store.create("job/pack") as writer:
            writer.write(b"new")
        assert caught.value.errno == errno.EEXIST
        assert self.stored(store, "job/pack") == b"old"

    @pytest.mark.parametrize("over", [False, True])
    def test_what_is_staged_is_seen_when_it_is_whole(self, store: Store, over: bool) -> None:  # noqa: FBT001 - a case
        """Until the block ends there is nothing, or the old; then all of it."""
        old = b"old" if over else None
        if old is not None:
            self.plant(store, "job/key", old)
        with store.stage("job/key", over=over) as writer:
            writer.write(b"whole" * 100_000)
            assert self.stored(store, "job/key") == old
            writer.write(b"end")
        assert self.stored(store, "job/key") == b"whole" * 100_000 + b"end"
        assert store.list() == ["job/key"]

    @pytest.mark.parametrize("error", [ValueError, FileNotFoundError, KeyboardInterrupt])
    def test_what_is_staged_and_fails_changes_nothing(self, store: Store, error: type[BaseException]) -> None:
        """The block's own error comes out, the old bytes stay, and so does nothing else."""

        def fail(key: str) -> None:
            with store.stage(key, over=True) as writer:
                writer.write(b"new")
                raise error("mine")

        self.plant(store, "job/old", b"old")
        for key in ("job/old", "job/new"):
            with pytest.raises(error, match="mine") as caught:
                fail(key)
            assert type(caught.value) is error
        assert store.list() == ["job/old"]
        assert self.stored(store, "job/old") == b"old"

    def test_what_is_staged_for_a_new_key_finds_an_old_one(self, store: Store) -> None:
        """It may come while the pieces are written: the old bytes stay."""

        def stage() -> None:
            with store.stage("job/key") as writer:
                writer.write(b"new")
                self.plant(store, "job/key", b"old")

        with pytest.raises(StoreError, match="job/key") as caught:
            stage()
        assert caught.value.errno == errno.EEXIST
        assert self.stored(store, "job/key") == b"old"

    def test_facts(self, store: Store) -> None:
        """They say how many bytes there are, and by a tag that they are others; a listing says the same."""
        store.put("job/key", b"abc")
        store.put("job/other", b"")
        first = store.facts("job/key")
        assert first.size == 3
        assert store.listing("job/") == {"job/key": first, "job/other": store.facts("job/other")}
        assert first == store.facts("job/key")
        store.replace("job/key", b"abcd")
        then = store.facts("job/key")
        assert then.size == 4
        assert then.tag != first.tag or not first.tag
        with store.reading("job/key") as reader:
            assert reader.facts == then
        with pytest.raises(NotInStoreError, match="job/none"):
            store.facts("job/none")

    def test_a_writer_is_a_writer(self, store: Store) -> None:
        """What `create` gives has the shape that is promised."""
        with store.create("key") as writer:
            promised: Writer = writer
            promised.write(b"x")
        assert self.stored(store, "key") == b"x"
