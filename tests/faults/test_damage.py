"""Whatever happens to the files of a checkpoint is found, named, and costs nothing that is whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lattice_addons.errors import CheckpointError, DamagedError, FormatError
from lattice_addons.storage import LocalStore, MemoryStore
from tests.unit.checkpoint.lines import forge, fresh, line_of, manifest, packs, raw, save, values

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lattice_addons.checkpoint import Line
    from lattice_addons.storage import Store

PLAIN = {"epoch": 3, "name": "run", "losses": [0.5, float("inf")]}
PICKLED = {"shape": (1, 2), "ids": {1, 2, 3}}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Give a store with two small checkpoints that share nothing."""
    store = LocalStore(tmp_path / "store")
    line = line_of(store)
    save(line, **PLAIN, **PICKLED, old=("old", 1))
    line.commit(
        {name: fresh(value) for name, value in {**PLAIN, "epoch": 4, "shape": (3, 4)}.items()}
        | {"raw": raw(b"raw")},
        parent=1,
        reason="manual",
    )
    line.release()
    return store


def copied(store: Store, name: str) -> Store:
    """Copy a store into memory, where a thousand damages are quick."""
    copy = MemoryStore(name)
    for key in store.list():
        copy.replace(key, store.read(key))
    return copy


def flips(data: bytes) -> Iterator[bytes]:
    """Give the data with each of its bytes changed, by one bit and by all."""
    for at in range(len(data)):
        for mask in (1 << at % 8, 0xFF):
            yield data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :]


def bad(line: Line) -> list[tuple[int, str | None]]:
    """Give the checkpoints and slots in which verification finds damage."""
    return [(finding.number, finding.slot) for finding in line.verify() if not finding.good]


def test_every_flipped_byte_of_a_manifest_is_found(store: Store, tmp_path: Path) -> None:
    """Each is refused, and the older checkpoint is used: the newest is never half believed."""
    copy = copied(store, str(tmp_path))
    text = store.read(manifest(2))
    line = line_of(copy)
    for changed in flips(text):
        copy.replace(manifest(2), changed)
        with pytest.raises(DamagedError):
            line.load(2)
        newest = line.newest()
        assert newest is not None
        assert newest.number == 1


def test_every_flipped_byte_of_a_pack_is_found(store: Store, tmp_path: Path) -> None:
    """Exactly the slot in whose bytes it is gets named; what lies between the slots is nobody's."""
    copy = copied(store, str(tmp_path))
    line = line_of(copy)
    owners = {
        (chunk.pack, at): (number, name)
        for number in (1, 2)
        for name, entry in line.load(number).slots.items()
        for chunk in entry.chunks()
        for at in range(chunk.offset, chunk.offset + chunk.length)
    }
    assert len(owners) > 50
    for key in packs(copy):
        data = copy.read(key)
        for at, changed in enumerate(flips(data)):
            copy.replace(key, changed)
            number, name = owners[key[-31:-5], at // 2]
            assert bad(line) == [(number, name)]
        copy.replace(key, data)
    assert bad(line) == []


def test_every_truncation_is_found(store: Store, tmp_path: Path) -> None:
    """Of the manifest and of the packs, at each length; and bytes too many in the manifest."""
    copy = copied(store, str(tmp_path))
    line = line_of(copy)
    for key in (manifest(2), *packs(copy)):
        data = copy.read(key)
        for length in range(len(data)):
            copy.replace(key, data[:length])
            assert bad(line)
        copy.replace(key, data)
    for more in (b"\n", b" ", b"\0", b"}"):
        copy.replace(manifest(2), store.read(manifest(2)) + more)
        assert bad(line) == [(2, None)]


def test_a_missing_pack_is_named_and_the_other_slots_are_read(store: Store) -> None:
    """Inline values need no pack; the older checkpoint has its own."""
    newest = line_of(store).load(2)
    pack = next(newest.slots["shape"].chunks()).pack
    store.delete([f"job/rank-00000/packs/{pack}.pack"])
    line = line_of(store)
    with pytest.raises(DamagedError, match=rf"slot 'shape'.*{pack}\.pack is missing") as caught:
        line.read(newest.slots["shape"], "shape")
    assert caught.value.key == f"job/rank-00000/packs/{pack}.pack"
    assert bad(line) == [(2, "shape"), (2, "raw")]
    assert newest.slots["epoch"].value == b"4"
    (older,) = line.history(before=2)
    assert values(line, older)["shape"] == (1, 2)


@pytest.mark.parametrize("text", [b"", b"{", b"null", b"[]", b"\0" * 5000, b"\xff\xfe{}", b"[" * 100_000])
def test_what_is_no_manifest_is_damage(store: Store, text: bytes) -> None:
    """The older checkpoint is used, and it is deleted by nothing."""
    store.replace(manifest(2), text)
    line = line_of(store)
    with pytest.raises(DamagedError):
        line.load(2)
    assert values(line, line.newest()) == PLAIN | PICKLED | {"old": ("old", 1)}
    line.retain()
    assert line.numbers() == [1, 2]


WRONG = [
    (b'"format": 1,', b'"format": 0,'),
    (b'"format": 1,', b'"format": -1,'),
    (b'"format": 1,', b'"format": true,'),
    (b'"number": 2,', b'"number": 2.0,'),
    (b'"number": 2,', b'"number": "2",'),
    (b'"rank": 0,', b'"rank": false,'),
    (b'"parent": 1,', b'"parent": -1,'),
    (b'"parent": 1,', b""),
    (b'"parent": 1,', b'"parent": 1,\n"extra": 1,'),
    (b'"notes": [],', b'"notes": [1],'),
    (b'"notes": [],', b'"notes": "none",'),
    (b'"reason": "manual",', b'"reason": null,'),
    (b'"slots": {', b'"slots": {"x": null, '),
    (b'"slots": {', b'"slots": {"x": {}, '),
    (b'"encoding":"json"', b'"encoding":7'),
    (b'"encoding":"json",', b""),
    (b'"value":4', b'"valve":4'),
    (b'"value":4', b'"other":1,"value":4'),
    (b'"size":1', b'"size":-1'),
    (b'"size":1', b'"size":1e400'),
    (b'"size":1', b'"size":99999999999999999999'),
    (b'"buffers":[[[', b'"buffers":[[[["x"],'),
    (b'"buffers":[[[', b'"buffers":[[[null,'),
    (b'"buffers":[[["', b'"buffers":[[["../'),
    (b",0]]]", b",-1]]]"),
    (b",0]]]", b",0,0]]]"),
    (b",0]]]", b",0.0]]]"),
    (b'"value":4', b'"value":' + b"[" * 300 + b"]" * 300),
    (b'"value":4', b'"value":NaN'),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new"), WRONG)
def test_a_field_of_the_wrong_type_is_damage(store: Store, old: bytes, new: bytes) -> None:
    """Also where the digest is right: somebody may have edited the file and sealed it again."""
    forge(store, 2, old, new)
    with pytest.raises(DamagedError, match="000000000002"):
        line_of(store).load(2)


@pytest.mark.parametrize("length", [4 * 2**20, 4 * 2**20 + 1, 2**40, 2**63 - 1, 2**64])
@pytest.mark.parametrize("offset", [0, 2**40, 2**63 - 1, 2**64])
def test_huge_lengths_and_offsets_take_no_memory(store: Store, length: int, offset: int) -> None:
    """They are held against the pack's size first; a thousand of them as well."""
    entry = line_of(store).load(2).slots["raw"]
    chunk = next(entry.chunks())
    old = b'%d,"%b",%d]' % (chunk.length, chunk.pack.encode(), chunk.offset)
    new = b'%d,"%b",%d]' % (length, chunk.pack.encode(), offset)
    many = b',["%b",' % chunk.digest.encode() + new
    forge(store, 2, old, new + many * 1000)
    line = line_of(store)
    with pytest.raises(CheckpointError):
        line.read(line.load(2).slots["raw"])


def test_a_newer_checkpoint_is_not_passed_over(store: Store) -> None:
    """To go on from an older one would undo what the newer version did; nothing is deleted either."""
    forge(store, 2, b'"format": 1,', b'"format": 2,')
    line = line_of(store)
    with pytest.raises(FormatError, match="pip install -U"):
        line.newest()
    line.retain()
    assert line.numbers() == [1, 2]
