"""What is damaged is read from a whole copy, or put aside; nothing good gets worse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lattice_addons.checkpoint import repair
from lattice_addons.checkpoint._layout import pack_key
from lattice_addons.errors import LeaseHeldError, UntrustedError
from lattice_addons.storage import MemoryStore
from tests.unit.checkpoint.lines import FOLDER, damage, forge, fresh, line_of, manifest, packs, save, values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lattice_addons.checkpoint import Line
    from lattice_addons.storage import Store
    from lattice_addons.storage._store import Bytes

KEY = b"a key for signing, long enough"
TEXT = "x" * 1000


def twice(store: Store, key: bytes | None = None) -> tuple[str, str]:
    """Write the same value to two packs, and then one of its own; give the packs' keys."""
    line = line_of(store, key=key)
    first = save(line, a=("same", TEXT), plain=1)
    chunk = next(first.chunks())
    line._catalog.drop(chunk)
    second = save(line, a=("same", TEXT), plain=2)
    save(line, a=("same", TEXT), b=("another", 3))
    line.release()
    return pack_key(FOLDER, chunk.pack), pack_key(FOLDER, next(second.chunks()).pack)


def told(line: Line, *, dry_run: bool = False) -> list[tuple[int, str | None, str]]:
    """Repair, and give what was told."""
    return [(each.number, each.slot, each.outcome) for each in repair(line, dry_run=dry_run)]


@pytest.mark.parametrize("key", [None, KEY], ids=["plain", "signed"])
@pytest.mark.parametrize("harm", ["flipped", "short", "missing"])
def test_a_whole_copy_is_read_instead(store: Store, harm: str, key: bytes | None) -> None:
    """The manifest is rewritten, and signed again; the values are what they were."""
    first, second = twice(store, key)
    assert first != second
    harm_pack(store, first, harm)
    line = line_of(store, key=key)
    before = store.list()
    assert told(line, dry_run=True) == [(1, "a", "repaired")]
    assert store.list() == before
    assert told(line) == [(1, "a", "repaired")]
    line = line_of(store, key=key)
    assert all(finding.good for finding in line.verify())
    assert [values(line, line.load(n))["a"] for n in (1, 2, 3)] == [("same", TEXT)] * 3
    assert (line.load(1).slots["plain"].value, line.load(1).created) == (b"1", line.load(1).created)
    assert told(line) == []


def harm_pack(store: Store, pack: str, harm: str) -> None:
    """Damage a pack."""
    if harm == "flipped":
        damage(store, pack, 3)
    elif harm == "short":
        store.replace(pack, store.read(pack)[:-1])
    else:
        store.delete([pack])


def test_what_has_no_copy_is_lost_and_stays(store: Store) -> None:
    """Its slot is named, and nothing is written."""
    _, second = twice(store)
    (third,) = set(packs(store)) - {second, twice_first(store)}
    damage(store, third, 3)
    texts = {key: store.read(key) for key in store.list()}
    line = line_of(store)
    assert told(line) == [(3, "b", "lost")]
    assert {key: store.read(key) for key in store.list()} == texts
    assert values(line, line.load(2))["a"] == ("same", TEXT)


def twice_first(store: Store) -> str:
    """Give the pack of the first checkpoint."""
    return pack_key(FOLDER, next(line_of(store).load(1).chunks()).pack)


def test_an_unreadable_manifest_is_put_aside(store: Store) -> None:
    """With all its bytes; a second one of that number beside it."""
    twice(store)
    damage(store, manifest(3), 50)
    text = store.read(manifest(3))
    assert told(line_of(store), dry_run=True) == [(3, None, "quarantined")]
    assert told(line_of(store)) == [(3, None, "quarantined")]
    assert store.read(FOLDER + "quarantine/000000000003.json") == text
    line = line_of(store)
    assert line.numbers() == [1, 2]
    line.sweep()
    store.put(manifest(3), text + b"more")
    line.release()
    assert told(line_of(store)) == [(3, None, "quarantined")]
    assert store.read(FOLDER + "quarantine/000000000003.2.json") == text + b"more"
    assert all(finding.good for finding in line_of(store).verify())


def test_the_number_of_what_was_put_aside_is_not_given_again(store: Store) -> None:
    """Also by a program that was there before; but a stray file of the last number stops nobody."""
    twice(store)
    before = line_of(store)
    before.acquire()
    before.release()
    damage(store, manifest(3), 50)
    assert told(line_of(store)) == [(3, None, "quarantined")]
    store.put(FOLDER + "quarantine/999999999999999999.json", b"stray")
    assert save(before, a=1).number == 4
    before.release()
    assert save(line_of(store), a=1).number == 5


def test_a_named_manifest_is_not_put_aside(store: Store) -> None:
    """Somebody wants it, and what it may need, until the name is taken off."""
    line = line_of(store, keep=1)
    for n in range(1, 4):
        save(line, n=(n, n))
    line.keeps.put(2, "precious")
    line.release()
    damage(store, manifest(2), 50)
    before = packs(store)
    assert told(line_of(store), dry_run=True) == [(2, None, "lost")]
    (found,) = repair(line_of(store))
    assert (found.outcome, "keep job 2 --drop" in found.reason) == ("lost", True)
    line = line_of(store, keep=1)
    line.sweep()
    line.retain()
    assert line.numbers() == [2, 3]
    assert set(before[:2]) <= set(packs(store))
    line.keeps.drop(2)
    line.release()
    assert told(line_of(store)) == [(2, None, "quarantined")]


def test_the_last_manifest_is_not_put_aside(store: Store) -> None:
    """A program that found none would begin afresh without a word."""
    line = line_of(store)
    save(line, n=1)
    line.release()
    damage(store, manifest(1), 50)
    assert told(line_of(store)) == [(1, None, "lost")]
    assert line_of(store).numbers() == [1]


def test_what_others_can_read_is_left_alone(store: Store) -> None:
    """A newer version's, and what was signed with a key that is not here."""
    line = line_of(store)
    for n in range(3):
        save(line, n=n)
    line.release()
    forge(store, 2, b'"format": 1,', b'"format": 2,')
    assert told(line_of(store)) == [(2, None, "lost")]
    assert told(line_of(store, key=KEY)) == [(1, None, "lost"), (2, None, "lost"), (3, None, "lost")]
    with pytest.raises(UntrustedError):
        line_of(store, key=KEY).load(1)
    assert line_of(store).numbers() == [1, 2, 3]


def test_a_live_writer_is_refused(store: Store) -> None:
    """It may be deleting what is repaired; looking is fine."""
    line = line_of(store)
    save(line, n=1)
    with pytest.raises(LeaseHeldError):
        told(line_of(store))
    assert told(line_of(store), dry_run=True) == []


@pytest.mark.one_python
def test_tables_are_repaired(memory: Store) -> None:
    """They are chunks, too."""
    store = memory
    line = line_of(store)
    slots = {f"slot{n}": fresh("x" * 900) for n in range(12_000)}
    first = line.commit(slots, parent=None, reason="manual")
    assert first.tables
    for chunk in list(first.chunks()):
        line._catalog.drop(chunk)
    second = line.commit(slots, parent=1, reason="manual")
    line.release()
    chunk = first.tables[0][0]
    assert chunk.pack != second.tables[0][0].pack
    damage(store, pack_key(FOLDER, chunk.pack), chunk.offset)
    assert told(line_of(store)) == [(1, None, "repaired")]
    line = line_of(store)
    assert len(line.load(1).slots) == 12_000
    assert line.load(1).slots["slot7"].value == b'"' + b"x" * 900 + b'"'


class Dying(MemoryStore):
    """A store whose process dies at one of the changes that it makes, before or after it."""

    left = 10**9
    after = False

    def _die(self, change: Callable[[], None]) -> None:
        self.left -= 1
        if self.left == 0 and not self.after:
            raise KeyboardInterrupt
        change()
        if self.left == 0:
            raise KeyboardInterrupt

    def put(self, key: str, data: Bytes) -> None:
        """Store a new key, or die."""
        self._die(lambda: super(Dying, self).put(key, data))

    def replace(self, key: str, data: Bytes) -> None:
        """Replace a key, or die."""
        self._die(lambda: super(Dying, self).replace(key, data))

    def delete(self, keys: Iterable[str]) -> None:
        """Remove keys, or die."""
        self._die(lambda: super(Dying, self).delete(keys))


@pytest.mark.parametrize("after", [False, True])
def test_a_repair_that_dies_is_repaired(after: bool) -> None:
    """At whichever change: the newest good checkpoint is the same, and a second repair ends what the first began."""
    for change in range(1, 20):
        name = f"dying {after} {change}"
        store = Dying(name)
        first, _ = twice(store)
        line = line_of(store)
        save(line, a=("same", TEXT), b=("last", 4))
        line.release()
        damage(store, manifest(3), 50)
        damage(store, first, 3)
        store.left, store.after = change, after
        try:
            told(line_of(store))
            died = False
        except KeyboardInterrupt:
            died = True
        whole = MemoryStore(name)
        whole.delete([FOLDER + "lease.json"])
        line = line_of(whole)
        assert values(line, line.newest()) == {"a": ("same", TEXT), "b": ("last", 4)}
        told(line_of(whole))
        assert all(finding.good for finding in line_of(whole).verify())
        assert whole.list(FOLDER + "quarantine") == [FOLDER + "quarantine/000000000003.json"]
        assert told(line_of(whole)) == []
        if not died:
            assert change > 4
            return
    pytest.fail("a repair does not end")
