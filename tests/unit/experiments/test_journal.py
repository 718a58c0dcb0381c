"""What was run is written down durably, and read back as far as it is whole."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from lattice_addons.errors import StoreError
from lattice_addons.experiments import Experiment, Journal, Place, Record
from lattice_addons.experiments._part import Part
from lattice_addons.experiments._record import as_line, as_plain, from_line


class Some(Experiment):
    """An experiment that has a place."""

    x: int = 1


def record(identity: str, status: str = "done", attempt: int = 1, **facts: object) -> Record:
    """Make a record of little."""
    told = {"values": {"x": 1}, "started": 1.0, "ended": 2.0, "host": "h", "pid": 1, "name": f"x={identity}"}
    return Record(identity=identity, status=status, attempt=attempt, **(told | facts))  # type: ignore[arg-type]


@pytest.fixture(params=["folder", "memory"])
def place(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A place in a folder, and one elsewhere."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return Place(Some, str(tmp_path) if request.param == "folder" else f"memory://{tmp_path.name}")


def test_a_record_is_read_back_as_it_was(place: Place) -> None:
    """Numbers that JSON has no word for, and any text, too."""
    told = record("a", rows=[{"loss": math.inf, "big": 2**80, "text": "\ud800 ü\n"}], error="no\nrows")
    place.journal().add(told)
    assert place.journal().records() == {"a": told}


def test_the_last_attempt_counts(place: Place) -> None:
    """Whichever of them stands first."""
    journal = place.journal()
    journal.add_many([record("a", "done", 3), record("a", "failed", 2), record("b", "killed")])
    Journal(place).add(record("b", "done", 2))
    assert {key: each.status for key, each in place.journal().records().items()} == {"a": "done", "b": "done"}
    assert {key: each.attempt for key, each in place.journal().index().items()} == {"a": 3, "b": 2}


def test_notes_are_kept_apart_from_records(place: Place) -> None:
    """Oldest first."""
    journal = place.journal()
    journal.note("start", {"at": 2, "who": "second"})
    journal.note("start", {"at": 1, "who": "first"})
    assert [each["who"] for each in journal.notes("start")] == ["first", "second"]
    assert journal.records() == {}


@pytest.mark.parametrize("cut", [1, 10, 30])
def test_a_torn_last_line_tells_nothing(tmp_path: Path, cut: int) -> None:
    """What stands before it does, and so does what is written later."""
    place = Place(Some, str(tmp_path))
    journal = place.journal()
    journal.add_many([record("a"), record("b")])
    (path,) = Path(place.url, "journal").iterdir()
    os.truncate(path, path.stat().st_size - cut)
    assert list(place.journal().records()) == ["a"]
    place.journal().add(record("c"))
    # Each writer has a part of its own; of two made in one millisecond either may come first.
    assert sorted(place.journal().records()) == ["a", "c"]


def test_a_damaged_line_is_left_out_and_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its setting is run again, and no other."""
    place = Place(Some, str(tmp_path))
    place.journal().add_many([record("a"), record("b"), record("c")])
    (path,) = Path(place.url, "journal").iterdir()
    data = bytearray(path.read_bytes())
    data[data.index(b'"x=b"') + 1] ^= 1
    path.write_bytes(data)
    # Each writer has a part of its own; of two made in one millisecond either may come first.
    assert sorted(place.journal().records()) == ["a", "c"]
    assert "damaged" in caplog.text


def test_lines_are_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that takes half of a line and then no more: the half is taken back, and later lines are read."""
    part = Part(str(tmp_path / "part"))
    part.append(b"one\n")
    write = os.write

    def half(descriptor: int, data: memoryview) -> int:
        if len(data) < 5:
            raise OSError(28, "No space left on device")
        return write(descriptor, data[: len(data) - 2])

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(StoreError, match="No space left") as caught:
        part.append(b"two two\n")
    assert caught.value.errno == 28
    monkeypatch.undo()
    part.append(b"three\n")
    assert (tmp_path / "part").read_bytes() == b"one\nthree\n"


def test_many_parts_become_one(tmp_path: Path) -> None:
    """With all that they say, and each setting once."""
    place = Place(Some, str(tmp_path))
    for number in range(70):
        Journal(place).add(record(f"{number % 50}", attempt=1 + number // 50))
    place.journal().note("start", {"at": 1})
    before = place.journal().records()
    place.journal().tidy()
    assert len(place.store.list("journal")) == 1
    assert place.journal().records() == before
    assert len(place.journal().notes("start")) == 1


def test_what_workers_left_of_a_remote_run_is_taken_over(place: Place) -> None:
    """Their parts lie on this machine, wherever the place is."""
    left = Part(place.journal().part_path("left"))
    left.append(as_line("begun", {"identity": "a", "attempt": 1}) + as_line("record", record("a")))
    left.close()
    place.journal().tidy()
    assert list(place.journal().records()) == ["a"]


def test_what_is_tidied_while_it_is_read_is_found(place: Place) -> None:
    """A reader holds no lock: the parts that it was about to read may have become one."""
    for identity in "abc":
        Journal(place).add(record(identity))
    reading = place.journal().read()
    found = {next(reading)[1].identity}
    old = place.store.list("journal")
    Journal(place).add_many([record(identity) for identity in "abc"])
    place.store.delete(old)
    assert found | {told.identity for _, told in reading} == set("abc")


def test_values_that_json_has_not_are_told_as_text() -> None:
    """Briefly, and without the memory's address where there is a name."""
    import numpy as np

    line = as_line(
        "record", record("a", values={"f": len, "a": np.zeros((2, 3)), "n": np.float64(0.5), "t": (1, 2)})
    )
    told = from_line(line)
    assert told is not None
    assert told[1].values == {"f": "len", "a": "<ndarray 2×3 float64>", "n": 0.5, "t": [1, 2]}
    assert len(as_plain(Path("x" * 500))) == 200
