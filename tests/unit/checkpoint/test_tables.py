"""Many small slots are stored in tables, and are slots of the checkpoint like all others."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from lattice_addons.checkpoint import Checkpoint, Entry, Slots, ends_table, table_text
from lattice_addons.checkpoint._manifest import LARGEST, parse, to_text
from lattice_addons.checkpoint._tables import Table, spill
from lattice_addons.errors import CheckpointError, DamagedError
from tests.unit.checkpoint.lines import (
    FOLDER,
    damage,
    forge,
    fresh,
    line_of,
    manifest,
    packs,
    save,
    value,
    values,
)

if TYPE_CHECKING:
    from lattice_addons.checkpoint import Line
    from lattice_addons.storage import Store

TEXT = table_text("Manager", ["a", "$b", "c"], b'[{"x":1},{"$float":"nan"},{"$$k":[]}]')


def with_table(line: Line, text: bytes = TEXT, **slots: object) -> Checkpoint:
    """Commit a table, and slots with lines of their own."""
    lines = {name: fresh(given) for name, given in slots.items()}
    return line.commit(lines, tables=[text], parent=None, reason="manual")


def test_the_slots_of_a_table_are_slots(store: Store) -> None:
    """After the commit and for a later process: names, entries and values."""
    made = with_table(line_of(store), own=(1, 2))
    again = line_of(store).newest()
    assert again == made
    assert again is not None
    assert list(again.slots) == ["own", "a", "$b", "c"]
    assert len(again.slots) == 4
    assert "a" in again.slots
    assert "x" not in again.slots
    assert again.slots.get("x") is None
    assert again.slots["a"] == Entry("Manager", "json", "builtins.dict", 7, b'{"x":1}', ())
    assert again.slots["$b"].type == "builtins.float"
    assert again.slots["c"].type == "builtins.dict"
    assert list(again.lines) == ["own"]
    line = line_of(store)
    assert value(line, again, "c") == {"$k": []}
    assert value(line, again, "$b") != value(line, again, "$b")  # not a number
    assert value(line, again, "own") == (1, 2)


def test_the_manifest_names_the_chunks_of_each_table(store: Store) -> None:
    """A manifest without tables has no such field; one with tables has a line for each."""
    line = line_of(store)
    save(line, n=1)
    other = table_text("M", ["d"], b"[1]")
    line.commit({}, tables=[TEXT, other], parent=None, reason="manual")
    assert "tables" not in json.loads(store.read(manifest(1)))
    told = json.loads(store.read(manifest(2)))
    assert [[chunk[1] for chunk in table] for table in told["tables"]] == [[len(TEXT)], [len(other)]]
    assert store.read(manifest(2)).splitlines()[11] == b'"tables": ['


def test_an_unchanged_table_is_not_written_again(store: Store) -> None:
    """Neither its text nor its chunks add a byte."""
    line = line_of(store)
    first = with_table(line)
    second = with_table(line)
    third = line.commit({}, tables=first.tables, parent=None, reason="manual")
    assert first.tables == second.tables == third.tables
    assert second.metrics["bytes_new"] == third.metrics["bytes_new"] == 0
    assert dict(third.slots) == dict(first.slots)


def test_a_damaged_table_is_passed_over_as_a_manifest_is(store: Store) -> None:
    """The newest good checkpoint is the one before; the bytes, saved again, are written again."""
    line = line_of(store, keep=9)
    with_table(line, n=1)
    text = TEXT.replace(b'"x":1', b'"x":2')
    made = with_table(line, text, n=2)
    damage(store, f"{FOLDER}packs/{made.tables[0][0].pack}.pack", 40)
    line.release()

    later = line_of(store, keep=9)
    found = later.newest()

    assert found is not None
    assert found.number == 1
    assert value(later, found, "a") == {"x": 1}
    assert later.load(2).lines.keys() == {"n"}
    with pytest.raises(DamagedError):
        later.load(2).slots["a"]
    assert with_table(later, text).metrics["bytes_new"] == len(text)


def test_history_reads_no_table(store: Store) -> None:
    """Older manifests are gone through for their chunks alone."""
    line = line_of(store, keep=9)
    with_table(line)
    damage(store, packs(store)[0], 40)
    assert [checkpoint.number for checkpoint in line_of(store).history()] == [1]


def test_a_slot_at_two_places_is_damage(store: Store) -> None:
    """A line and a table, or two tables, do not both have it."""
    line = line_of(store)
    with_table(line, a=1)
    line.commit({}, tables=[TEXT, table_text("M", ["a"], b"[1]")], parent=None, reason="manual")
    for number in (1, 2):
        with pytest.raises(DamagedError, match="two places"):
            line_of(store).load(number).read_tables()
    with pytest.raises(DamagedError):
        line_of(store).newest()


@pytest.mark.parametrize(
    "text",
    [
        b"", b"{", b"[]", b"1", b'{"manager":"M","names":["a"]}', b'{"manager":1,"names":["a"],"values":[1]}',
        b'{"manager":"M","names":["a"],"values":[]}', b'{"manager":"M","names":["a","a"],"values":[1,2]}',
        b'{"manager":"M","names":[1],"values":[1]}', b'{"manager":"M","names":["a"],"values":{"a":1}}',
        b'{"manager":"M","names":["a"],"values":[1],"more":1}', b"\xff",
        b'{"manager":"M","names":["a"],"values":[' + b"[" * 300 + b"]" * 300 + b"]}",
    ],
)  # fmt: skip
def test_a_text_that_is_no_table_is_damage(text: bytes) -> None:
    """Whatever its digest says."""
    slots = Slots({}, [Table((), text)])
    with pytest.raises(DamagedError):
        dict(slots)


@pytest.mark.parametrize("told", [b'{"a": 1}', b"[1]", b"[[1]]", b"[[[]]]", b'[[["0",1,"0",0]]]', b"null"])
def test_a_bad_field_of_tables_is_damage(store: Store, told: bytes) -> None:
    """As in any other place of a manifest."""
    save(line_of(store), n=1)
    forge(store, 1, b'"slots": {', b'"tables": ' + told + b',\n"slots": {')
    with pytest.raises(DamagedError):
        line_of(store).load(1)


def test_a_bad_line_is_damage_when_it_is_asked_for() -> None:
    """A reader of one slot does not pay for the fields of thousands; what it gets was checked."""
    good = Entry("m", "json", "t", 1, b"1", ())
    text = to_text(Checkpoint("job", 0, 7, None, "", "", (), {}, {}, {"a": good, "b": good}), None)
    head, tail = text.rsplit(b'"size":1', 1)
    from lattice_addons.checkpoint._seal import seal

    body = (head + b'"size":-1' + tail).rsplit(b',\n"digest"', 1)[0]
    checkpoint = parse(seal(body, None), None, "the file", ("job", 0, 7))
    assert checkpoint.slots["a"] == good
    with pytest.raises(CheckpointError, match=r"'b'.*size"):
        checkpoint.slots["b"]


@pytest.mark.one_python
def test_more_slots_than_a_manifest_holds(memory: Store) -> None:
    """Those that do not fit into it go into tables, the short ones first; all come back."""
    store = memory
    line = line_of(store)
    many: dict[str, object] = {f"slot {n}": "x" * 900 + str(n) for n in range(9000)}
    many |= {f"long {n}": str(n) * 30_000 for n in range(9)}
    checkpoint = save(line, **many)
    assert store.size(manifest(1)) < LARGEST
    assert len(checkpoint.tables) > 5
    assert set(checkpoint.lines) == {f"long {n}" for n in range(9)}
    assert values(line, line_of(store).newest()) == many
    again = line.commit(dict(line_of(store).load(1).slots), parent=1, reason="manual")
    assert again.metrics["bytes_new"] == 0
    assert values(line, again) == many


def test_what_a_table_cannot_say_keeps_its_line() -> None:
    """Another encoding or type, or buffers; and what fits stays."""
    entry = Entry("m", "json", "builtins.int", 1, b"1", ())
    others = {
        "encoding": Entry("m", "numpy", "builtins.int", 1, b"1", ()),
        "type": Entry("m", "json", "mine.Kind", 1, b"1", ()),
        "buffers": Entry("m", "json", "builtins.int", 1, b"1", ((),)),
        "no value": Entry("m", "json", "builtins.int", 1, None, ((),)),
    }
    assert spill({"a": entry, **others}, 10_000) == ({"a": entry, **others}, [])
    assert spill({"a": entry, **others}, 100) == (others, [table_text("m", ["a"], b"[1]")])
    two = {"a": entry, "b": Entry("other", "json", "builtins.int", 1, b"2", ())}
    assert spill(two, 0)[1] == [table_text("m", ["a"], b"[1]"), table_text("other", ["b"], b"[2]")]


def test_a_slot_that_comes_or_goes_changes_one_table() -> None:
    """Where a table ends is told by a name in it, not by a count."""
    entries = {f"slot {n}": Entry("m", "json", "builtins.int", 1, b"1", ()) for n in range(9000)}
    before = set(spill(entries, 0)[1])
    assert 10 < len(before) < 40
    del entries["slot 4500"]
    after = set(spill({"first": entries["slot 1"]} | entries, 0)[1])
    assert len(after - before) <= 2
    assert not ends_table("slot 4500")
