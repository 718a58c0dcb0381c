"""A manifest is readable, holds what it should, and says so when it is not for this version or place."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lattice_addons.checkpoint import Fresh
from lattice_addons.encoding import Encoded, encode
from lattice_addons.errors import DamagedError, FormatError
from tests.unit.checkpoint.lines import contents, damage, forge, fresh, line_of, manifest, save, value, values

if TYPE_CHECKING:
    from lattice_addons.storage import Store


def test_the_text_has_a_line_for_each_field_and_slot(store: Store) -> None:
    """A person can read it, and a line tool can find a slot in it."""
    line = line_of(store)
    save(line, loss=0.5, words=["a", "b"], text="two\nlines")
    lines = store.read(manifest(1)).decode().splitlines()
    assert lines[0] == "{"
    assert [text.partition(":")[0] for text in lines[1:12]] == [
        '"format"', '"job"', '"rank"', '"number"', '"parent"', '"created"', '"reason"', '"notes"', '"program"',
        '"metrics"', '"slots"',
    ]  # fmt: skip
    assert lines[12].startswith('"loss": {')
    assert '"value":0.5' in lines[12]
    assert '"value":["a","b"]' in lines[13]
    assert lines[-3] == "},"
    assert lines[-2].startswith('"digest": "blake3:')
    assert lines[-1] == "}"
    told = json.loads("\n".join(lines))
    assert (told["job"], told["rank"], told["number"], told["reason"]) == ("job", 0, 1, "manual")


def test_what_is_committed_is_what_is_loaded(store: Store) -> None:
    """The checkpoint that commit gives is the one that a later process reads."""
    line = line_of(store)
    slots = {"a": fresh({"x": [1, None, "é"]}), "b": fresh((1, 2)), "c": fresh(np.arange(10))}
    made = line.commit(slots, parent=None, reason="signal:SIGTERM", notes=("mid-element 'epoch'",))
    again = line_of(store).load(1)
    assert made == again
    assert list(again.slots) == ["a", "b", "c"]
    assert again.metrics["bytes_total"] == sum(entry.size for entry in again.slots.values())


def test_a_slot_of_any_name_comes_back(store: Store) -> None:
    """Names are JSON strings, and nothing in them reaches the folder."""
    line = line_of(store)
    names = ['"', "\\", "../x", "", "\0", "é" * 300, '",\n"digest": "blake3:']
    line.commit({name: fresh(name) for name in names}, parent=None, reason="manual")
    assert values(line, line_of(store).newest()) == {name: name for name in names}


@pytest.mark.parametrize("secret", [None, b"a secret that is long enough"])
@pytest.mark.parametrize("name", ["encrypted", "digest", "slots", "format", "tables", "hyperparams"])
def test_a_slot_may_be_called_as_a_field_is(memory: Store, name: str, secret: bytes | None) -> None:
    """The lines of both begin alike."""
    line = line_of(memory, encryption_key=secret)
    save(line, **{name: 1, "other": 2})
    assert values(line, line_of(memory, encryption_key=secret).newest()) == {name: 1, "other": 2}


def test_only_the_slots_that_are_asked_for_are_parsed(store: Store) -> None:
    """Of thousands one may be wanted; what is no JSON is found out with its slot."""
    save(line_of(store), a=1, b=2)
    forge(store, 1, b'"value":1', b'"value":?')
    newest = line_of(store).newest()
    assert newest is not None
    assert (list(newest.slots), newest.slots["b"].value) == (["a", "b"], b"2")
    with pytest.raises(DamagedError, match="slot 'a' is not JSON") as caught:
        newest.slots["a"]
    assert manifest(1) in str(caught.value)


@pytest.mark.parametrize(("old", "new"), [(b'"a": {', b'"a":  {'), (b'"a": {', b'"a\\u0020": {')])
def test_a_manifest_that_is_laid_out_otherwise_is_parsed_as_a_whole(
    store: Store, old: bytes, new: bytes
) -> None:
    """It is JSON whoever wrote it."""
    save(line_of(store), a=1, b=2)
    forge(store, 1, old, new)
    newest = line_of(store).newest()
    assert newest is not None
    assert [(name.strip(), entry.value) for name, entry in newest.slots.items()] == [("a", b"1"), ("b", b"2")]
    forge(store, 1, b'"value":1', b'"value":?')
    with pytest.raises(DamagedError, match="it is not JSON"):
        line_of(store).newest()


def test_a_long_value_is_stored_as_a_chunk(store: Store) -> None:
    """Up to 64 KiB stand in the manifest, more does not."""
    line = line_of(store)
    short, long = "x" * (64 * 1024 - 2), "x" * (64 * 1024 - 1)
    checkpoint = save(line, short=short, long=long)
    assert checkpoint.slots["short"].value is not None
    assert not checkpoint.slots["short"].buffers
    assert checkpoint.slots["long"].value is None
    assert len(checkpoint.slots["long"].buffers) == 1
    assert values(line, line_of(store).newest()) == {"short": short, "long": long}


def test_a_deep_value_is_stored_as_a_chunk(store: Store) -> None:
    """What the manifest's reader could not read back does not stand in the manifest."""
    deep: list[object] = []
    for _ in range(600):
        deep = [deep]
    text = json.dumps(deep).encode()
    line = line_of(store)
    slot = Fresh("m", Encoded("json", "builtins.list", text, ()))
    line.commit({"deep": slot}, parent=None, reason="manual")
    loaded = line_of(store).load(1).slots["deep"]
    assert loaded.value is None
    assert contents(line, loaded) == [text]


def test_a_manifest_stays_under_eight_mebibytes(store: Store) -> None:
    """Beyond that even short values become chunks, and all come back."""
    line = line_of(store)
    many = {f"slot {n}": str(n) * (60_000 // len(str(n))) for n in range(160)}
    save(line, **many)
    assert 4 * 2**20 < store.size(manifest(1)) <= 8 * 2**20
    assert values(line, line_of(store).newest()) == many


def test_a_long_header_of_a_value_is_its_first_buffer(store: Store) -> None:
    """An array whose description is long comes back as well."""
    array = np.zeros(3, dtype=[(f"a field with a long name, number {n}", "i1") for n in range(2000)])
    line = line_of(store)
    line.commit({"array": Fresh("m", encode(array))}, parent=None, reason="manual")
    checkpoint = line_of(store).load(1)
    got = value(line, checkpoint, "array")
    assert isinstance(got, np.ndarray)
    assert got.dtype == array.dtype
    assert got.shape == (3,)


def test_a_newer_format_is_no_damage(store: Store) -> None:
    """The error says which version is needed, and no older state is taken in its place."""
    line = line_of(store)
    save(line, n=1)
    save(line, n=2)
    forge(store, 2, b'"format": 1,', b'"format": 2,')
    forge_version = b'"lattice-addons":"'
    body = store.read(manifest(2))
    version = body.split(forge_version)[1].split(b'"')[0].decode()
    with pytest.raises(FormatError, match=rf"format 2.*{re.escape(version)}.*needed") as caught:
        line_of(store).newest()
    assert caught.value.format == 2
    with pytest.raises(FormatError):
        line_of(store).load(2)


def test_a_newer_format_may_be_sealed_otherwise(store: Store) -> None:
    """Only its first line needs to be readable."""
    line = line_of(store)
    save(line, n=1)
    store.put(manifest(2), b'{\n"format": 12,\n"anything": [1, 2]}')
    with pytest.raises(FormatError, match="a newer lattice-addons"):
        line_of(store).newest()


def test_a_flipped_bit_in_the_format_is_damage(store: Store) -> None:
    """Format 1 turned to 3 by a bit is not taken for a newer version's."""
    line = line_of(store)
    save(line, n=1)
    save(line, n=2)
    text = store.read(manifest(2))
    store.replace(manifest(2), text.replace(b'"format": 1', b'"format": 3'))
    again = line_of(store)
    with pytest.raises(DamagedError):
        again.load(2)
    assert values(again, again.newest()) == {"n": 1}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"number": 1', b'"number": 2'),
        (b'"job": "job"', b'"job": "other"'),
        (b'"rank": 0', b'"rank": 1'),
    ],
)
def test_a_manifest_in_anothers_place_is_refused(store: Store, old: bytes, new: bytes) -> None:
    """A checkpoint copied to another number, job or rank is not that one's state."""
    save(line_of(store), n=1)
    forge(store, 1, old, new)
    with pytest.raises(DamagedError, match="does not belong there"):
        line_of(store).load(1)


def test_names_that_are_no_manifests_are_passed_over(store: Store) -> None:
    """Somebody's notes beside the manifests do no harm."""
    line = line_of(store)
    save(line, n=1)
    for name in ("notes.txt", "2.json", "00000000000٣.json", "000000000000.json", "000000000002.json.bak"):
        store.put(f"job/rank-00000/checkpoints/{name}", b"{}")
    assert line.numbers() == [1]


def test_odd_text_in_the_header_does_not_stop_a_save(store: Store) -> None:
    """A note about a file whose name is not UTF-8 is written with a replacement."""
    line = line_of(store)
    line.commit({}, parent=None, reason="manual", notes=["file \udcff"], program={"argv": ["\udcff"], "n": 1})
    assert line_of(store).load(1).notes == ("file ?",)


def test_damage_names_the_file(store: Store) -> None:
    """Both the text and the attribute say which file it is."""
    save(line_of(store), n=1)
    damage(store, manifest(1), 30)
    with pytest.raises(DamagedError, match=r"000000000001\.json") as caught:
        line_of(store).load(1)
    assert caught.value.key.endswith(manifest(1))
