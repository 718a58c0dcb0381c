"""What every store keeps to, as tests that the tests of each store inherit."""

from __future__ import annotations

import errno
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from lattice_addons.errors import DamagedError, NotInStoreError, StoreError

from ._streams import StreamContract

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from lattice_addons.storage import Store

_BAD_KEYS = (
    "",
    "/",
    "/etc/passwd",
    "../x",
    "a/../x",
    "a/..",
    ".",
    "./a",
    "a//b",
    "a/",
    "a\0b",
    "x" * 256,
    "\ud800",
)
# Two names each, which the file systems of macOS and Windows take for one.
_ALIKE = () if sys.platform in ("darwin", "win32") else ("Job", "job", "\u00e9", "e\u0301")


class StoreContract(StreamContract):
    """Inherit this in a test class of your store; say how to make one, and how to reach around it.

    ::

        class TestBucketStore(StoreContract):
            def make_store(self, folder):
                return BucketStore("test-bucket", prefix=folder.name)

            def plant(self, store, key, data):
                bucket.objects[f"{store.prefix}/{key}"] = data

            def stored(self, store, key):
                return bucket.objects.get(f"{store.prefix}/{key}")

    ``names`` are file names of every kind; a store on a server that cannot have one of them leaves that one out.
    """

    names: Sequence[str] = (
        "a b", ".hidden", "*", "日本", "-rf", "a\nb", "%2e%2e", "50%-dropout", "a#b", "a?b", "a+b", "a;b", "a&b=c",
        "x" * 255, "...", *_ALIKE,
    )  # fmt: skip

    def test_what_is_put_is_there(self, store: Store, tmp_path: Path) -> None:
        """Bytes are stored as they are, and the store opened again has them."""
        store.put("job/one", b"\x00\xff\r\n")
        assert self.stored(store, "job/one") == b"\x00\xff\r\n"
        assert self.make_store(tmp_path).read("job/one") == b"\x00\xff\r\n"

    def test_any_bytes_will_do(self, store: Store) -> None:
        """Empty ones, changeable ones, and memory that is not contiguous."""
        kinds: Sequence[bytes | bytearray | memoryview] = (
            b"", bytearray(b"ab"), memoryview(b"abcd")[::2], memoryview(b"ab" * 9)
        )  # fmt: skip
        for number, data in enumerate(kinds):
            keys = [f"{number}-{how}" for how in ("put", "replaced", "created")]
            store.put(keys[0], data)
            store.replace(keys[1], data)
            with store.create(keys[2]) as writer:
                writer.write(data)
            assert [self.stored(store, key) for key in keys] == [bytes(data)] * 3

    def test_put_never_goes_over_an_old_key(self, store: Store) -> None:
        """The second one is refused, and the first one's bytes stay."""
        store.put("key", b"old")
        with pytest.raises(StoreError, match="key") as caught:
            store.put("key", b"new")
        assert caught.value.errno == errno.EEXIST
        assert self.stored(store, "key") == b"old"

    def test_of_many_that_put_one_wins(self, store: Store) -> None:
        """Eight threads put one key: one is told that it did, and its bytes are there."""
        won: list[int] = []
        lost: list[int | None] = []

        def put(number: int) -> None:
            try:
                store.put("job/key", b"%d" % number)
            except StoreError as error:
                lost.append(error.errno)
            else:
                won.append(number)

        threads = [threading.Thread(target=put, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [b"%d" % number for number in won] == [self.stored(store, "job/key")]
        assert lost == [errno.EEXIST] * 7

    def test_replace_makes_and_replaces(self, store: Store) -> None:
        """With and without an old one."""
        store.replace("key", b"first, and longer")
        store.replace("key", b"second")
        assert self.stored(store, "key") == b"second"

    def test_ranges(self, store: Store) -> None:
        """A range is read as a slice is taken."""
        self.plant(store, "key", b"0123456789")
        assert store.read("key", 3) == b"3456789"
        assert store.read("key", 3, 5) == b"34"
        assert store.read("key", 8, 20) == b"89"
        assert store.read("key", 10) == b""
        assert store.read("key", 5, 5) == b""
        assert store.size("key") == 10

    def test_reading_into_memory(self, store: Store) -> None:
        """The buffer is filled; memory of any item size will do."""
        self.plant(store, "key", b"0123456789")
        buffer = bytearray(4)
        store.read_into("key", 5, memoryview(buffer))
        assert buffer == b"5678"
        store.read_into("key", 0, memoryview(buffer).cast("I"))
        assert buffer == b"0123"
        store.read_into("key", 10, memoryview(b""))

    def test_too_few_bytes_are_damage(self, store: Store) -> None:
        """Where bytes should be and are not, the key is named as damaged."""
        self.plant(store, "job/key", b"0123456789")
        for start, length in ((8, 3), (11, 1), (1 << 40, 1), (-1, 1)):
            with pytest.raises(DamagedError, match="job/key") as caught:
                store.read_into("job/key", start, memoryview(bytearray(length)))
            assert caught.value.key == "job/key"

    def test_a_range_that_begins_outside_is_damage(self, store: Store) -> None:
        """It is what a wrong offset looks like."""
        self.plant(store, "key", b"0123456789")
        for start in (-1, 11):
            with pytest.raises(DamagedError, match="key"):
                store.read("key", start, 12)

    def test_a_key_that_is_not_there(self, store: Store) -> None:
        """Every way of reading it says so, and names it."""
        store.put("job/key", b"")
        for key in ("job/other", "no/such/folder/key", "job"):
            with pytest.raises(NotInStoreError if key != "job" else StoreError, match=key):
                store.read(key)
            with pytest.raises(NotInStoreError if key != "job" else StoreError, match=key):
                store.size(key)
            with pytest.raises(NotInStoreError if key != "job" else StoreError, match=key):
                store.read_into(key, 0, memoryview(bytearray(1)))

    def test_listing(self, store: Store) -> None:
        """Keys below a folder, sorted, whole; a folder's name is no prefix of another's."""
        keys = ["job/b/2", "job/b/10", "job/a", "job2/a", "top"]
        for key in keys:
            self.plant(store, key, b"x")
        assert store.list("") == sorted(keys)
        assert store.list("job/") == store.list("job") == ["job/a", "job/b/10", "job/b/2"]
        assert store.list("job/b/") == ["job/b/10", "job/b/2"]
        assert store.list("nothing/") == []

    def test_folders(self, store: Store) -> None:
        """The folders directly below one."""
        for key in ("job/b/2", "job/a/x/y", "job/file", "job2/a", "top"):
            self.plant(store, key, b"x")
        assert store.folders() == ["job", "job2"]
        assert store.folders("job") == store.folders("job/") == ["a", "b"]
        assert store.folders("nothing") == []

    def test_deleting(self, store: Store) -> None:
        """Those that are there go, those that are not are fine, the others stay."""
        for key in ("a/1", "a/2", "b/1"):
            self.plant(store, key, b"x")
        store.delete(["a/1", "b/1", "b/2", "c/1", "a/1"])
        assert store.list() == ["a/2"]
        store.delete(iter(["a/2"]))
        assert self.stored(store, "a/2") is None

    def test_pruning_leaves_keys(self, store: Store) -> None:
        """Only what is empty goes; what is below can be written again."""
        self.plant(store, "job/a/1", b"x")
        self.plant(store, "job/b/1", b"x")
        store.delete(["job/a/1"])
        store.prune("job/")
        store.prune("nothing/")
        assert store.list() == ["job/b/1"]
        assert store.folders("job") == ["b"]
        store.put("job/a/1", b"y")
        assert self.stored(store, "job/a/1") == b"y"

    def test_a_deleted_key_can_be_put_again(self, store: Store) -> None:
        """A name is taken only while it is there."""
        store.put("key", b"old")
        store.delete(["key"])
        store.put("key", b"new")
        assert self.stored(store, "key") == b"new"

    def test_keys_that_lead_elsewhere(self, store: Store) -> None:
        """They are refused by every method that takes one, before anything happens."""

        def create(key: str) -> None:
            with store.create(key) as writer:
                writer.write(b"")

        uses: Sequence[Callable[[str], object]] = (
            store.read,
            lambda key: store.read_into(key, 0, memoryview(bytearray(1))),
            store.size,
            lambda key: store.put(key, b""),
            lambda key: store.replace(key, b""),
            create,
            lambda key: store.delete([key]),
            store.flock_hold,
        )
        for key in _BAD_KEYS:
            for use in uses:
                with pytest.raises(StoreError, match="is no key"):
                    use(key)
        assert store.list() == []

    def test_folders_that_lead_elsewhere(self, store: Store) -> None:
        """They are refused as well."""
        for folder in ("..", "a/../..", "/", "/etc", "a//", "\0"):
            for use in (store.list, store.folders, store.sweep, store.prune):
                with pytest.raises(StoreError, match="is no key"):
                    use(folder)
            with pytest.raises(StoreError, match="is no key"), store.exclusive(folder):
                pass

    def test_names_of_every_kind(self, store: Store) -> None:
        """What is a file's name is a key's, and a folder's: blanks, dots, stars, other scripts, 255 bytes."""
        keys = sorted(key for name in self.names for key in (f"files/{name}", f"folders/{name}/in"))
        for key in keys:
            store.put(key, key.encode())
        assert store.list() == keys
        assert store.folders("folders") == sorted(self.names)
        for key in keys:
            assert self.stored(store, key) == store.read(key) == key.encode()
            assert store.read(key, 2, 5) == key.encode()[2:5]
            assert store.size(key) == len(key.encode())
        store.delete(keys[1:])
        assert store.list() == keys[:1]

    def test_readers_see_old_or_new(self, store: Store) -> None:
        """A key that is replaced over and over is read whole every time."""
        store.replace("key", b"0" * 100_000)
        ended = threading.Event()
        seen: set[bytes] = set()

        def read() -> None:
            # Once at least: all may be replaced before this thread's first look.
            seen.add(store.read("key"))
            while not ended.is_set():
                seen.add(store.read("key"))

        reader = threading.Thread(target=read)
        reader.start()
        try:
            for number in range(30):
                store.replace("key", b"%d" % (number % 10) * 100_000)
        finally:
            ended.set()
            reader.join()
        assert {len(data) for data in seen} == {100_000}
        assert all(len(set(data)) == 1 for data in seen)

    def test_sweeping_leaves_keys(self, store: Store) -> None:
        """A key is never taken for what a dead writer left."""
        store.put("job/key", b"x")
        store.sweep()
        store.sweep("job/")
        store.sweep("nothing")
        assert store.list() == ["job/key"]
