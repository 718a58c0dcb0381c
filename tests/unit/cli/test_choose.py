"""The command that chooses between lines, and what the list says of a remote store."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from lattice_addons.cli import main
from tests.unit.storage.spool.machines import Machine, part, restart

if TYPE_CHECKING:
    from pathlib import Path


def look_from(top: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command line be on a machine."""
    monkeypatch.setenv("LATTICE_CHECKPOINT_TYPE", "fsspec")
    config = f"root=file://{top}/remote,spool={top / name},linger=0,grace=1"
    monkeypatch.setenv("LATTICE_CHECKPOINT_CONFIG", config)


@pytest.fixture
def parted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Give a machine whose line was put aside, on which the command line is."""
    _, b = part(tmp_path)
    b.end()
    a = restart(tmp_path, "a")
    a.end()
    look_from(tmp_path, "a", monkeypatch)
    return a


def ask(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """Run a command that answers in JSON."""
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("was_sent", [True, False], ids=["it was cleared there", "it was not sent"])
def test_who_is_shown_another_line_than_the_stores_is_told(
    tmp_path: Path, was_sent: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Until the program's next start, which settles it; and not while it runs, nor on the other machine."""
    a = restart(tmp_path, "a")
    for value in ("one", "mine"):
        a.save(value)
    look_from(tmp_path, "a", monkeypatch)
    assert main(["show", "job", "x"]) == 0
    assert capsys.readouterr() == ('"mine"\n', "")
    if was_sent:
        a.end()
        shutil.rmtree(tmp_path / "remote" / "job")
    else:
        a.vanish()
    b = restart(tmp_path, "b")
    b.save("theirs")
    b.end()
    assert main(["show", "job", "x"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out) == "mine"
    assert (
        "has another line, up to checkpoint 1. Of a number that both lines have, this machine's" in told.err
    )
    assert "`lattice choose job`" in told.err
    assert main(["log"]) == 0
    assert "has another line" in capsys.readouterr().err
    look_from(tmp_path, "b", monkeypatch)
    assert main(["show", "job", "x"]) == 0
    assert capsys.readouterr() == ('"theirs"\n', "")
    restart(tmp_path, "a").end()
    look_from(tmp_path, "a", monkeypatch)
    assert main(["show", "job", "x"]) == 0
    assert capsys.readouterr() == ('"theirs"\n', "")


def test_lines_that_parted_are_told_beside_the_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once the uploader has met the other line, and until the program's next start, which settles it."""
    a = restart(tmp_path, "a")
    a.save("mine")
    a.vanish()
    b = restart(tmp_path, "b")
    b.save("theirs")
    b.end()
    look_from(tmp_path, "a", monkeypatch)
    assert ask(capsys, "list")[0]["kept_here"] is None
    assert a.send() is not None
    told = "nothing is sent: job/rank-00000 went on elsewhere: checkpoints 1 are only on this machine"
    assert main(["list"]) == 0
    assert f"job, rank 0: {told}" in capsys.readouterr().out
    assert "`lattice choose job`" in ask(capsys, "list")[0]["kept_here"]
    assert main(["top", "--count", "1"]) == 0
    assert told in capsys.readouterr().out
    assert "went on elsewhere" in ask(capsys, "top", "--count", "1")["kept_here"][0]
    assert main(["choose"]) == 0
    assert "has another line, up to checkpoint 1." in capsys.readouterr().err
    restart(tmp_path, "a").end()
    assert ask(capsys, "list")[0]["kept_here"] is None
    assert ask(capsys, "top", "--count", "1")["kept_here"] == []


def test_both_lines_are_listed(parted: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    """With where each is, and what has become of it."""
    del parted
    rows = ask(capsys, "choose")
    assert [(row["line"], row["newest"]) for row in rows] == [("remote", 2), ("1", 2)]
    assert main(["choose"]) == 0
    assert "remote" in capsys.readouterr().out
    [row] = ask(capsys, "list")
    assert row["where"] == {"1": "remote", "2": "remote"}
    assert [each["line"] for each in row["aside"]] == [1]
    assert main(["list"]) == 0
    listed = capsys.readouterr().out
    assert "where" in listed
    assert "checkpoints" not in listed.rpartition("┘")[2]
    assert "see `lattice choose job`" in listed


def test_what_is_not_there_yet_is_listed(parted: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    """The column is for the newest checkpoint; a line beside the table tells those apart that are elsewhere."""
    parted.line.acquire()
    parted.save("new")
    assert main(["list"]) == 0
    assert "job, rank 0: checkpoints 1-2 remote, 3 local" in capsys.readouterr().out
    [row] = ask(capsys, "list")
    assert row["where"] == {"1": "remote", "2": "remote", "3": "local"}


def test_the_one_aside_is_chosen(parted: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    """It goes on as the next checkpoint, and is aside no more."""
    assert ask(capsys, "choose", "job", "1") == [{"job": "job", "rank": 0, "line": 1, "checkpoint": 3}]
    assert Machine(parted.top, "a").value() == "mine"
    assert len(ask(capsys, "choose", "job")) == 1


def test_the_remote_one_is_chosen(parted: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal to ask at, only when that is said; then nothing is aside any more."""
    assert main(["choose", "job", "remote"]) == 1
    assert "Say --yes" in capsys.readouterr().err
    assert ask(capsys, "choose", "job", "remote", "--yes") == {"job": "job", "removed": 1}
    assert len(ask(capsys, "choose", "job")) == 1
    assert Machine(parted.top, "a").value() == "theirs"


def test_there_is_no_such_line(parted: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    """The error says which there are."""
    del parted
    assert main(["choose", "job", "7"]) == 66
    assert "put aside on this machine: 1" in capsys.readouterr().err


def test_a_local_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing can be aside there, and the list has no such column."""
    from lattice_addons.checkpoint import Fresh, Line
    from lattice_addons.encoding import encode
    from lattice_addons.settings import Settings
    from lattice_addons.storage import LocalStore

    line = Line(LocalStore(tmp_path / "store"), "job", 0, settings=Settings())
    line.commit({"x": Fresh("reference", encode(1))}, parent=None, reason="manual")
    line.release()
    root = str(tmp_path / "store")
    assert main(["choose", "--root", root]) == 0
    assert "no line was put aside" in capsys.readouterr().out
    assert "where" not in ask(capsys, "list", "--root", root)[0]
