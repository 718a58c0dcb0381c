"""What every store lets one writer hold against the others, as tests."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from lattice_addons.errors import NotInStoreError

if TYPE_CHECKING:
    from pathlib import Path

    from lattice_addons.storage import Store


class HoldContract:
    """The part of a store's contract that a lease needs."""

    def make_store(self, folder: Path) -> Store:
        """Make a store that is empty at first; the same folder gives the same store again."""
        raise NotImplementedError

    def plant(self, store: Store, key: str, data: bytes) -> None:
        """Put bytes under a key without the store's help."""
        raise NotImplementedError

    def stored(self, store: Store, key: str) -> bytes | None:
        """Give the bytes under a key without the store's help; None when there are none."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        """Give an empty store."""
        return self.make_store(tmp_path)

    def test_a_critical_section_excludes(self, store: Store) -> None:
        """Four threads that read, add and write, five times each, lose nothing."""
        store.put("job/count", b"0")

        def count() -> None:
            for _ in range(5):
                with store.exclusive("job/"):
                    store.replace("job/count", b"%d" % (int(store.read("job/count")) + 1))

        threads = [threading.Thread(target=count) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert self.stored(store, "job/count") == b"20"

    def test_a_critical_section_ends_with_its_block(self, store: Store) -> None:
        """Also when the block fails; its error comes out."""
        with pytest.raises(ZeroDivisionError), store.exclusive("job"):
            raise ZeroDivisionError
        with store.exclusive("job"), store.exclusive("other"):
            pass

    def test_one_holds_a_key(self, store: Store, tmp_path: Path) -> None:
        """The second is told so, through the same store and another; after the release it gets it."""
        store.put("job/lease", b"me")
        first = store.flock_hold("job/lease")
        assert first is not None
        assert first.valid()
        assert store.flock_hold("job/lease") is None
        assert self.make_store(tmp_path).flock_hold("job/lease") is None
        first.release()
        first.release()
        assert not first.valid()
        second = store.flock_hold("job/lease")
        assert second is not None
        second.release()

    def test_what_is_forgotten_is_not_held(self, store: Store) -> None:
        """A hold that nobody has any more ends."""
        store.put("lease", b"me")
        held = store.flock_hold("lease")
        assert held is not None
        del held
        again = store.flock_hold("lease")
        assert again is not None
        again.release()

    def test_only_what_is_there_is_held(self, store: Store) -> None:
        """There is nothing to hold without a key."""
        with pytest.raises(NotInStoreError, match="job/lease"):
            store.flock_hold("job/lease")
