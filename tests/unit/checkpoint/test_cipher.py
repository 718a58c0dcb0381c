"""With a key everything that says something about values is encrypted, and all else is as without."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lattice_addons.checkpoint._cipher import Cipher
from lattice_addons.checkpoint._squeeze import squeeze
from tests.unit.checkpoint.encrypted import MARKER, OTHER, SECRET, encrypted, locks, showing
from tests.unit.checkpoint.lines import (
    Pieces,
    contents,
    fresh,
    line_of,
    manifest,
    packs,
    raw,
    save,
    value,
    values,
)
from tests.unit.checkpoint.portables import VALUES

if TYPE_CHECKING:
    from lattice_addons.checkpoint import Fresh
    from lattice_addons.storage import LocalStore, Store

RANDOM = np.random.default_rng(5)


def all_kinds() -> dict[str, Fresh]:
    """Give a slot of every kind there is: inline, long, small, compressed, large, of a stream, several buffers."""
    return {
        MARKER: fresh({"text": MARKER}),
        "empty": raw(b""),
        "small": raw(MARKER.encode(), b"x"),
        "compressed": raw((MARKER * 9999).encode()),
        "long": fresh(MARKER * 9999),
        "large": raw(memoryview(RANDOM.bytes(9_000_001)), memoryview(MARKER.encode() + RANDOM.bytes(70_000))),
        "whole chunk": raw(memoryview(bytearray(RANDOM.bytes(4 << 20)))),
        "compressed array": raw(memoryview(bytearray(MARKER.encode() * 300_000))),
        "stream": raw(Pieces([MARKER.encode() * 5, RANDOM.bytes(3_000_000), MARKER.encode() * 40_000])),
        "pickle": fresh({1: MARKER, 2: (RANDOM.bytes(100_000),)}),
        "array": fresh(RANDOM.standard_normal(100_000)),
        "twin": raw(b"the same"),
        "other twin": raw(b"the same"),
    }


def of_bytes(slots: dict[str, Fresh]) -> dict[str, list[bytes]]:
    """Give the bytes of every buffer."""
    found = {}
    for name, slot in slots.items():
        buffers = slot.encoded.buffers
        found[name] = [b"".join(b.pieces()) if isinstance(b, Pieces) else bytes(b) for b in buffers]  # type: ignore[arg-type]
    return found


def test_every_kind_of_slot_comes_back(store: Store) -> None:
    """And nothing of it, nor its name, can be read where it is stored."""
    slots = all_kinds()
    line = encrypted(store)
    line.commit(slots, parent=None, reason=f"manual {MARKER}", notes=[MARKER], program={"argv": [MARKER]})
    line.release()
    again = encrypted(store)
    checkpoint = again.newest()
    assert checkpoint is not None
    assert checkpoint.notes == (MARKER,)
    for name, expected in of_bytes(slots).items():
        if slots[name].encoded.value is None:
            assert contents(again, checkpoint.slots[name]) == expected, name
    assert value(again, checkpoint, "long") == MARKER * 9999
    assert all(locks(checkpoint))
    assert {finding.error for finding in again.verify()} == {None}
    assert showing(store) == []


def test_without_a_key_the_same_store_shows_it_all(store: Store) -> None:
    """What looks for the marker would find it."""
    line_of(store).commit(all_kinds(), parent=None, reason="manual")
    assert len(showing(store)) == 2


@pytest.mark.parametrize("again", [False, True])
def test_copies_are_encrypted_when_they_are_written(store: Store, again: bool) -> None:
    """Asynchronous saves copy first; a copy that could not be committed is committed once more."""
    line = encrypted(store)
    array = RANDOM.integers(0, 255, 9_000_000, dtype="u1")
    squeezable = np.zeros(1_000_000, "u1")
    text = MARKER.encode() * 3000
    slots = {"array": fresh(array), "squeezable": fresh(squeezable), "text": raw(text)}
    taken = line.detach(slots)
    assert taken is not None
    expected = array.copy()
    array[:] = 0
    if again:
        failing = taken | {"bad": raw(Pieces([b"too short"], size=50))}
        with pytest.raises(TypeError, match="announced"):
            line.commit(failing, parent=None, reason="manual")
    line.commit(taken, parent=None, reason="manual")
    checkpoint = line.newest()
    assert checkpoint is not None
    assert contents(line, checkpoint.slots["array"]) == [expected.tobytes()]
    assert contents(line, checkpoint.slots["squeezable"]) == [squeezable.tobytes()]
    assert contents(line, checkpoint.slots["text"]) == [text]
    assert all(locks(checkpoint))
    assert showing(store) == []


def test_tables_are_encrypted(store: Store) -> None:
    """Small slots that stand together in a chunk."""
    text = json.dumps({"manager": "StateManager", "names": [MARKER, "n"], "values": [MARKER, 1]}).encode()
    encrypted(store).commit({}, tables=[text], parent=None, reason="manual")
    line = encrypted(store)
    assert values(line, line.newest()) == {MARKER: MARKER, "n": 1}
    assert showing(store) == []


def test_what_has_not_changed_is_not_written_again(store: Store) -> None:
    """Neither by the same process, nor by the next one, nor under another name."""
    line = encrypted(store)
    save(line, **VALUES)
    before = packs(store)
    save(line, **VALUES)
    line.release()
    again = encrypted(store)
    checkpoint = again.newest()
    assert checkpoint is not None
    again.commit(dict(checkpoint.slots), parent=1, reason="manual")
    save(again, **{f"another {name}": value for name, value in VALUES.items()})
    assert packs(store) == before
    assert len(store.list("job/rank-00000/checkpoints")) == 4


def test_what_changed_is_all_that_is_written(store: Store) -> None:
    """One byte of an array costs its chunk, as without a key."""
    line = encrypted(store)
    array = RANDOM.integers(0, 255, 9_000_000, dtype="u1")
    save(line, array=array)
    array[5_000_000] += 1
    checkpoint = save(line, array=array)
    assert checkpoint.metrics["bytes_new"] == 4 << 20
    assert line.dirty({"array": fresh(array)}) == 0
    assert np.array_equal(values(line, line.newest())["array"], array)  # type: ignore[arg-type]


def test_encryption_needs_no_more_room(store: Store) -> None:
    """An encrypted chunk is as long as it was, compressed or not."""
    plain = save(line_of(store, "plain"), **VALUES)
    closed = save(encrypted(store), **VALUES)
    sizes = [[(chunk.length, chunk.stored) for chunk in each.chunks()] for each in (plain, closed)]
    assert sizes[0] == sizes[1]
    assert any(chunk.stored for chunk in closed.chunks())


def test_equal_chunks_of_two_jobs_do_not_look_alike(store: Store) -> None:
    """That two jobs have the same data is nobody's business either."""
    data = RANDOM.bytes(50_000)
    assert squeeze(data) is None
    for job in ("one", "two", "three"):
        secret = OTHER if job == "three" else SECRET
        line = line_of(store, job, encryption_key=secret)
        line.commit({"data": raw(data)}, parent=None, reason="manual")
    one, two, three = (store.read(key) for key in sorted(store.list("")) if key.endswith(".pack"))
    assert len({one, two, three, data}) == 4


def test_the_place_of_a_manifest_can_be_read_without_the_key(store: Store) -> None:
    """Tools that look after a store see format, job, rank and number, and that the rest is encrypted."""
    save(encrypted(store), n=1)
    told = json.loads(store.read(manifest(1)))
    assert list(told) == ["format", "job", "rank", "number", "encrypted", "digest"]
    assert (told["format"], told["job"], told["rank"], told["number"]) == (1, "job", 0, 1)
    assert told["encrypted"]["cipher"] == "AES-256-GCM"


def test_signing_and_encrypting_go_together(store: Store) -> None:
    """The signature is that of the encrypted form."""
    save(encrypted(store, key=OTHER), n=1)
    assert b'"digest": "hmac-sha256:' in store.read(manifest(1))
    line = encrypted(store, key=OTHER)
    assert values(line, line.newest()) == {"n": 1}
    with pytest.raises(PermissionError, match="LATTICE_CHECKPOINT_KEY"):
        encrypted(store).newest()


@pytest.mark.parametrize("restore", ["read", "map"])
def test_mapping_falls_back_to_reading(local: LocalStore, restore: str) -> None:
    """Pages of ciphertext are of no use to a program."""
    array = RANDOM.standard_normal(1_000_000)
    save(encrypted(local), array=array)
    line = encrypted(local, restore=restore)
    found = values(line, line.newest())["array"]
    assert isinstance(found, np.ndarray)
    assert np.array_equal(found, array)
    found[0] = 1  # it is the program's own


@pytest.mark.one_python
def test_memory_of_the_program_is_filled(store: Store) -> None:
    """Many chunks at once, read past the system's cache."""
    array = RANDOM.integers(0, 255, 30_000_000, dtype="u1")
    save(encrypted(store), array=array)
    line = encrypted(store)
    checkpoint = line.newest()
    assert checkpoint is not None
    target = np.zeros_like(array)
    assert line.fill({"array": (checkpoint.slots["array"], memoryview(target))}) == {}
    assert np.array_equal(target, array)


def test_copies_are_written_once_more_when_their_pack_is_gone(store: Store) -> None:
    """Some are kept as they were, some are encrypted already; each is what its lock says."""
    line = encrypted(store)
    text = MARKER.encode() * 3000
    slots = {
        "large": fresh(RANDOM.integers(0, 255, 900_000, dtype="u1")),
        "squeezed": raw(memoryview(text * 9)),
    }
    expected = {name: b"".join(map(bytes, slot.encoded.buffers)) for name, slot in slots.items()}  # type: ignore[arg-type]
    taken = line.detach(slots)
    assert taken is not None
    for _ in range(2):
        line.commit(taken, parent=None, reason="manual")
        checkpoint = line.newest()
        assert checkpoint is not None
        assert {name: contents(line, checkpoint.slots[name])[-1] for name in slots} == expected
        assert showing(store) == []
        store.delete(packs(store))


class Interrupted(Cipher):
    """Is interrupted once, when the bytes are encrypted and nobody knows it yet."""

    done = False

    def lock_in_place(self, data: memoryview, digest: str) -> str:
        """Encrypt, and break off the first time."""
        lock = super().lock_in_place(data, digest)
        if not self.done:
            self.done = True
            raise KeyboardInterrupt
        return lock


def test_what_was_interrupted_is_not_encrypted_twice(store: Store) -> None:
    """Ctrl-C may come at any instant; the copies that were being written then are no good any more."""
    line = encrypted(store)
    line.cipher = Interrupted(SECRET, line.folder)
    array = RANDOM.integers(0, 255, 100_000, dtype="u1")
    taken = line.detach({"array": fresh(array)})
    assert taken is not None
    with pytest.raises(KeyboardInterrupt):
        line.commit(taken, parent=None, reason="manual")
    with pytest.raises(TypeError, match="save again"):
        line.commit(taken, parent=None, reason="manual")
    assert line.numbers() == []
    checkpoint = save(line, array=array)
    assert contents(line, checkpoint.slots["array"]) == [array.tobytes()]
