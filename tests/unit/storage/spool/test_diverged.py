"""A job that went on in two places has two lines: both stay, and somebody chooses."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from lattice_addons.checkpoint import Line, chosen, clear
from lattice_addons.errors import StoreError
from lattice_addons.settings import Settings
from tests.unit.storage.spool.machines import FOLDER, Machine, restart

LARGE = bytearray(os.urandom(300_000))


def parted(top: Path) -> Machine:
    """Let a job go on in two places, after two checkpoints that both have; give the machine that is behind."""
    a = restart(top, "a")
    a.save("one")
    a.save(["two", LARGE])
    a.send()
    # Retention has settled what goes, and the uploader has not come to it.
    a.save(["mine", LARGE, 3])
    a.save(["mine", LARGE, 4])
    a.store.delete([f"{FOLDER}checkpoints/000000000001.json"])
    a.vanish()
    b = restart(top, "b")
    b.value()
    b.save("theirs")
    b.send()
    b.end()
    return a


def test_both_lines_stay(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The remote line is the job; the other one is whole, aside, and one warning names both and the command."""
    parted(tmp_path)
    before = sorted(
        path.name for path in (tmp_path / "remote" / FOLDER).rglob("*") if "claims" not in path.parts
    )
    a = restart(tmp_path, "a")
    assert a.value() == "theirs"
    assert a.line.numbers() == [1, 2, 3]
    [warning] = [record.getMessage() for record in caplog.records]
    assert "checkpoint 3 of" in warning
    assert "checkpoint 4 of" in warning
    assert "`lattice choose job 1`" in warning
    [aside] = a.store.asides.of(FOLDER)
    other = Line(aside.store, "job", 0, settings=Settings())
    assert other.numbers() == [2, 3, 4]
    # Nothing of the line that went on is lost for it: what was to be deleted here is still there.
    assert a.send() is None
    after = sorted(
        path.name for path in (tmp_path / "remote" / FOLDER).rglob("*") if "claims" not in path.parts
    )
    assert [name for name in before if name not in after] == []
    assert a.save("goes on").number == 4
    # It is put aside once.
    a.line.release()
    assert len(restart(tmp_path, "a").store.asides.of(FOLDER)) == 1


def test_what_is_left_of_a_line_that_was_dropped_is_in_nobodys_way(tmp_path: Path) -> None:
    """Who drops one may be killed in the middle of it."""
    a = parted(tmp_path)
    left = Path(a.spool.home, "aside", "1", FOLDER, "packs")
    left.mkdir(parents=True)
    (left / "x").touch()
    a = restart(tmp_path, "a")
    assert [aside.number for aside in a.store.asides.of(FOLDER)] == [2]


def test_the_uploader_sends_nothing_of_it(tmp_path: Path) -> None:
    """Nor does it delete anything; it says that the job went on elsewhere."""
    a = parted(tmp_path)
    there = {
        path: path.read_bytes() for path in (tmp_path / "remote").rglob("*.*") if "claims" not in path.parts
    }
    told = a.send()
    assert told is not None
    assert "checkpoints 3, 4 are only on this machine" in told
    assert {path: path.read_bytes() for path in (tmp_path / "remote").rglob("*.*")} == there


def test_the_line_aside_can_go_on(tmp_path: Path) -> None:
    """Chosen, it is a new checkpoint; another machine finds all of its bytes."""
    parted(tmp_path)
    a = restart(tmp_path, "a")
    [aside] = a.store.asides.of(FOLDER)
    made = chosen(a.line, a.store, aside)
    assert made.number == 4
    assert a.value() == ["mine", LARGE, 4]
    assert a.store.asides.of(FOLDER) == []
    a.send()
    a.end()
    c = restart(tmp_path, "c")
    assert c.value() == ["mine", LARGE, 4]
    assert c.line.numbers() == [1, 2, 3, 4]


def test_what_it_needs_stays(tmp_path: Path) -> None:
    """A pack in the remote store that only the line aside may need is not deleted from this machine."""
    a = parted(tmp_path)
    pack, *_ = a.store.list(f"{FOLDER}packs/")
    a.spool.store.delete([pack])  # as the uploader does for want of room
    a = restart(tmp_path, "a")
    [aside] = a.store.asides.of(FOLDER)
    needed = aside.about["needs"]
    assert pack in needed
    a.store.delete(needed)
    a.send()
    assert all((tmp_path / "remote" / key).exists() for key in needed)
    a.store.asides.drop(aside)
    a.store.delete(needed)
    a.send()
    assert not any((tmp_path / "remote" / key).exists() for key in needed)


def test_a_line_aside_is_not_written(tmp_path: Path) -> None:
    """It is as it was found."""
    parted(tmp_path)
    a = restart(tmp_path, "a")
    [aside] = a.store.asides.of(FOLDER)
    with pytest.raises(StoreError, match="lattice choose"):
        aside.store.put("job/rank-00000/packs/x", b"")


def test_killed_while_it_is_put_aside(tmp_path: Path) -> None:
    """The record is moved with the line, in one step: before that nothing is aside, after it all is."""
    a = parted(tmp_path)
    a.spool.store.replace(f"{FOLDER}aside.json", json.dumps({"ours": {}}).encode())
    a = restart(tmp_path, "a")
    assert a.value() == "theirs"
    [aside] = a.store.asides.of(FOLDER)
    assert aside.about["ours"]["number"] == 4


@pytest.mark.parametrize("ahead", [1, 5])
def test_however_far_it_went(tmp_path: Path, ahead: int) -> None:
    """Old checkpoints of either line are deleted: that the numbers do not meet says nothing."""
    a = restart(tmp_path, "a")
    a.save("one")
    a.send()
    for number in range(8):
        a.save(["mine", number])
    a.line.retain()
    assert a.line.numbers() == [7, 8, 9]
    a.vanish()
    b = restart(tmp_path, "b")
    for number in range(ahead):
        b.save(["theirs", number])
    b.send()
    b.end()
    a = restart(tmp_path, "a")
    assert a.value() == ["theirs", ahead - 1]
    assert len(a.store.asides.of(FOLDER)) == 1


def test_a_job_that_was_begun_afresh_elsewhere(tmp_path: Path) -> None:
    """Its numbers are lower than those that were here; it is another line all the same."""
    a = restart(tmp_path, "a")
    for number in range(5):
        a.save(["mine", number])
    a.line.retain()
    a.send()
    a.save(["mine", 5])
    a.vanish()
    for path in (tmp_path / "remote").rglob("*.*"):
        path.unlink()
    b = restart(tmp_path, "b")
    b.save("afresh")
    b.end()
    a = restart(tmp_path, "a")
    assert a.value() == "afresh"
    assert len(a.store.asides.of(FOLDER)) == 1


def test_what_was_sent_and_is_superseded_is_ours(tmp_path: Path) -> None:
    """The uploader was killed before it could write down that it had sent a checkpoint that is deleted by now."""
    a = restart(tmp_path, "a")
    a.save("one")
    a.send()
    known = a.spool.uploaded(FOLDER)
    a.save("two")
    a.send()
    a.spool.set_uploaded(FOLDER, known)
    a.save("three")
    a.store.delete([f"{FOLDER}checkpoints/000000000002.json"])
    a.line.release()
    a = restart(tmp_path, "a")
    assert a.value() == "three"
    assert a.store.asides.of(FOLDER) == []


@pytest.mark.parametrize("saves", [2, 3])
def test_a_job_that_was_cleared_and_begun_afresh_elsewhere(tmp_path: Path, saves: int) -> None:
    """Its new checkpoints have the numbers of old ones that this machine has sent, and are the job."""
    a = restart(tmp_path, "a")
    for number in range(3):
        a.save(["mine", number])
    a.end()
    machine = Machine(tmp_path, "b")
    clear(machine.store, "job")
    assert machine.send() is None
    b = restart(tmp_path, "b")
    for number in range(saves):
        b.save(["theirs", number])
    b.end()
    a = restart(tmp_path, "a")
    assert a.value() == ["theirs", saves - 1]
    [aside] = a.store.asides.of(FOLDER)
    assert Line(aside.store, "job", 0, settings=Settings()).numbers() == [1, 2, 3]
    a.save("goes on")
    a.end()
    assert Machine(tmp_path, "c").value() == "goes on"
