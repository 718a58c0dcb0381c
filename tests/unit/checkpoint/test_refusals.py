"""Saves that were refused are told of beside the checkpoints; nothing depends on that, and nothing is in its way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lattice_addons.checkpoint import clear, prune, refusals, repair
from lattice_addons.errors import NotInStoreError, StoreError
from lattice_addons.storage import LocalStore
from tests.unit.checkpoint.encrypted import MARKER, OTHER, encrypted
from tests.unit.checkpoint.lines import FOLDER, line_of, save

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lattice_addons.checkpoint import Line

KEY = f"{FOLDER}refused.jsonl"


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """Give a store."""
    return LocalStore(tmp_path / "store")


@pytest.fixture
def line(store: LocalStore) -> Iterator[Line]:
    """Give a line of it."""
    made = line_of(store)
    yield made
    made.release()


def test_what_was_refused_is_told(line: Line) -> None:
    """When, why, what was wrong, and with which slots."""
    assert (refusals(line).all(), refusals(line).newest()) == ([], None)
    refusals(line).add("periodic", StoreError("disk full", url="x"))
    refusals(line).add("exit", TypeError("no \N{SNOWMAN} goes\nin"), ["a", "b\udc80"], 7)
    first, second = refusals(line_of(line.store)).all()
    assert (first.reason, first.error, first.text, first.slots, first.checkpoint, first.times) == (
        "periodic", "StoreError", "disk full", (), None, 1,
    )  # fmt: skip
    assert (second.reason, second.error, second.text) == ("exit", "TypeError", "no \N{SNOWMAN} goes\nin")
    assert (second.slots, second.checkpoint) == (("a", "b\\udc80"), 7)
    assert first.since == first.time < second.time
    assert refusals(line).newest() == second


def test_those_in_a_row_are_one(line: Line) -> None:
    """A save that fails each second says so once, with how often it did; an other one in between is not hidden."""
    for number in range(3):
        refusals(line).add("periodic", StoreError(f"full {number}", url="x"), checkpoint=number or None)
    refusals(line).add("manual", StoreError("full", url="x"))
    refusals(line).add("periodic", StoreError("full", url="x"))
    told = refusals(line).all()
    assert [(each.reason, each.text, each.times) for each in told] == [
        ("periodic", "full 0", 1),
        ("periodic", "full 2", 2),
        ("manual", "full", 1),
        ("periodic", "full", 1),
    ]
    assert told[1].since < told[1].time


def test_it_does_not_grow(line: Line) -> None:
    """The newest stay, each with so much of its words."""
    for number in range(25):
        refusals(line).add(f"signal:{number}", ValueError("x" * 10**6), [f"{n}" * 1000 for n in range(100)])
    told = refusals(line).all()
    assert [each.reason for each in told] == [f"signal:{number}" for number in range(5, 25)]
    assert line.store.size(KEY) < 100_000
    assert told[0].text.endswith("x…")


@pytest.mark.parametrize(
    "bad", [b"", b"\xff\x00", b"[1]", b"null", b"{}", b'{"time": "x"}', b'{"cipher": 1}', b"9" * 10**6]
)
def test_what_cannot_be_read_is_passed_over(line: Line, bad: bytes) -> None:
    """Whatever somebody put there; what is told next is told all the same."""
    refusals(line).add("exit", ValueError("one"))
    line.store.replace(KEY, bad + b"\n" + line.store.read(KEY))
    assert [each.text for each in refusals(line).all()] == ["one"] * (len(bad) < 10**6)
    refusals(line).add("exit", TypeError("two"))
    assert refusals(line).all()[-1].text == "two"


def test_a_store_that_fails_says_so_to_who_writes_and_not_to_who_reads(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who looks at a job is told what there is."""
    refusals(line).add("exit", ValueError("one"))

    def fail(*_: object) -> bytes:
        raise StoreError("the disk is gone", url="x")

    monkeypatch.setattr(line.store, "read", fail)
    assert refusals(line).all() == []
    monkeypatch.setattr(line.store, "replace", fail)
    with pytest.raises(StoreError, match="gone"):
        refusals(line).add("exit", ValueError("two"))


def test_it_is_as_secret_as_the_checkpoints(store: LocalStore) -> None:
    """An error's words may have a value in them: without the key there is nothing to be seen."""
    line = encrypted(store)
    refusals(line).add("exit", ValueError(f"cannot keep {MARKER}"), [MARKER])
    text = store.read(KEY)
    assert MARKER.encode() not in text
    assert b"ValueError" not in text
    assert refusals(line).all()[0].text.endswith(MARKER)
    assert refusals(encrypted(store, OTHER)).all() == []
    assert refusals(line_of(store)).all() == []
    # And in no other rank's place.
    store.replace(KEY.replace("00000", "00001"), text)
    assert refusals(encrypted(store, rank=1)).all() == []


def test_who_looks_after_checkpoints_leaves_it_alone(line: Line) -> None:
    """It is no checkpoint, no pack, and nothing that a dead writer has left; it goes with the job."""
    for number in range(6):
        save(line, n=number)
    refusals(line).add("exit", ValueError("one"))
    text = line.store.read(KEY)
    prune(line)
    line.sweep()
    assert [finding for finding in line.verify() if finding.error] == []
    assert list(repair(line)) == []
    assert line.store.read(KEY) == text
    assert line.numbers() == [4, 5, 6]
    line.release()
    clear(line.store, "job")
    with pytest.raises(NotInStoreError):
        line.store.size(KEY)
