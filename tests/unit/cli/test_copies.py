"""The commands that show what has changed, and carry a checkpoint from store to store."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lattice_addons import Settings, StateManagerGroup
from lattice_addons.cli import main
from lattice_addons.errors import NotSavedError

if TYPE_CHECKING:
    from pathlib import Path

BIG = 5 * 1024 * 1024


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a store with two jobs of three checkpoints, one of which has an array of more than a chunk."""
    store = tmp_path_factory.mktemp("copies") / "store"
    for job, length in (("job", BIG), ("job@1", 1000)):
        group = StateManagerGroup(Settings(root=str(store), job_id=job, signals=()))
        array = np.random.default_rng(0).integers(0, 255, length, dtype="u1")
        group.register("config")
        group.register("array")
        for n in range(3):
            array[0] = n
            group.update("config", {"lr": 0.1 * n, "layers": [64, n], "n": n, "same": "x"})
            group.update("array", array)
            if n == 1:
                group.register("late")
                group.update("late", "here")
            group.save()
        group.close()
    return store


@pytest.fixture
def root(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give a copy of the store, in the folder where the command line is."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(template, "store")
    return "store"


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> object:
    """Give what a command answers in JSON."""
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_log_has_the_newest_first(root: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With what each has cost; a damaged one says so in its notes, and hides none."""
    rows = told(capsys, "log", "job", "--root", root)
    assert isinstance(rows, list)
    assert [row["number"] for row in rows] == [3, 2, 1]
    assert rows[0]["reason"] == "manual"
    assert rows[0]["new"] < rows[2]["new"] <= rows[0]["total"]
    assert rows[0]["seconds"] > 0
    with open(f"{root}/job/rank-00000/checkpoints/000000000002.json", "w") as file:
        file.write("no manifest")
    rows = told(capsys, "log", "job", "--root", root)
    assert isinstance(rows, list)
    assert [row["reason"] for row in rows] == ["manual", None, "manual"]
    assert "damaged" in rows[1]["notes"][0]
    assert main(["log", "job", "--root", root]) == 0
    assert "MiB" in capsys.readouterr().out


def test_log_has_what_was_refused(
    root: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the checkpoints, where it belongs by time; with all that is known of it for programs."""
    monkeypatch.setenv("COLUMNS", "250")
    group = StateManagerGroup(Settings(root=root, job_id="job", signals=(), keep=9))
    group.register("bad")
    group.update("bad", (each for each in "abc"))
    for _ in range(2):
        with pytest.raises(NotSavedError):
            group.save(whole=True)
    group.update("bad", "good")
    group.save()
    group.update("bad", (each for each in "abc"))
    with pytest.raises(NotSavedError):
        group.save()
    group.close()
    rows = told(capsys, "log", "job", "--root", root)
    assert isinstance(rows, list)
    assert [row["number"] for row in rows] == [None, 5, 4, None, 3, 2, 1]
    refused = rows[3]["refused"]
    assert (refused["error"], refused["slots"], refused["times"]) == ("NotSavedError", ["bad"], 2)
    assert (refused["checkpoint"], rows[0]["refused"]["checkpoint"], rows[4]["refused"]) == (None, 5, None)
    assert rows[3]["notes"] == [refused["text"]]
    assert main(["log", "job", "--root", root]) == 0
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for word in ("not saved", "2 times since", "saved in part", "NotSavedError"):
        assert word in shown


def test_diff_tells_values_and_bytes(root: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Of plain data what changed; of an array how much; and the slots that came or went."""
    changes = told(capsys, "diff", "job", "1", "3", "--root", root)
    assert isinstance(changes, list)
    by_slot = {change["slot"]: change for change in changes}
    assert [(name, change["change"]) for name, change in by_slot.items()] == [
        ("config", "changed"),
        ("array", "changed"),
        ("late", "added"),
    ]
    assert by_slot["config"]["values"] == [
        {"path": '["lr"]', "before": 0.0, "after": 0.2},
        {"path": '["layers"][1]', "before": 0, "after": 2},
        {"path": '["n"]', "before": 0, "after": 2},
    ]
    array = by_slot["array"]
    assert (array["chunks_new"], array["chunks"], array["bytes_new"]) == (1, 2, 4 * 1024 * 1024)
    assert by_slot["late"]["size_before"] is None

    back = told(capsys, "diff", "job", "3", "1", "--root", root)
    assert isinstance(back, list)
    assert back[-1] == {"slot": "late", "change": "removed", "size_before": 6, "size_after": None}
    assert main(["diff", "job", "1", "3", "--root", root]) == 0
    shown = capsys.readouterr().out
    assert '["n"]: 0 → 2' in shown
    assert "1 of 2 chunks" in shown
    assert main(["diff", "job", "2", "2", "--root", root]) == 0
    assert "no difference" in capsys.readouterr().out


def test_a_value_of_another_type_is_another_value(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also where Python would say that they are equal."""
    group = StateManagerGroup(Settings(root=str(tmp_path), job_id="job", signals=(), keep=10))
    group.register("a")
    for value in (1, True, 1.0, [1], [1.0, 2], {"b": None}, {}):
        group.update("a", value)
        group.save()
    group.close()
    # From 1 to true, and on: each is a change, and what the last one takes away is named.
    found = [told(capsys, "diff", "job", str(n), str(n + 1), "--root", str(tmp_path)) for n in range(1, 7)]
    changes = [change for changes in found if isinstance(changes, list) for change in changes]
    assert [change["change"] for change in changes] == ["changed"] * 6
    assert changes[-1]["values"] == [{"path": '["b"]', "before": None}]


def test_export_and_import(root: str, capsys: pytest.CaptureFixture[str]) -> None:
    """To a store that is made for it; a second time, and under another name."""
    answer = told(capsys, "export", "job@2", "x.tar", "--root", root)
    assert answer == {
        "job": "job",
        "rank": 0,
        "number": 2,
        "file": "x.tar",
        "bytes": os.path.getsize("x.tar"),
    }
    assert told(capsys, "import", "x.tar", "--root", "other") == {
        "job": "job",
        "rank": 0,
        "number": 1,
        "file": "x.tar",
    }
    assert main(["import", "x.tar", "--root", "other"]) == 0
    assert "checkpoint 2 of job 'job'" in capsys.readouterr().out
    assert main(["import", "x.tar", "--root", "other", "--job", "mine"]) == 0
    capsys.readouterr()
    shown = told(capsys, "show", "mine", "config", "--root", "other")
    assert isinstance(shown, dict)
    assert shown["value"]["n"] == 1
    assert told(capsys, "verify", "--root", "other") == {"good": 9, "damaged": []}

    again = StateManagerGroup(Settings(root="other", job_id="job", signals=()))
    again.register("config")
    again.register("array")
    assert again.get("config")["n"] == 1
    assert again.get("array")[0] == 1
    again.close()


def test_a_job_may_have_an_at_in_its_name(root: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The job that there is comes first."""
    answer = told(capsys, "export", "job@1", "x.tar", "--root", root)
    assert isinstance(answer, dict)
    assert (answer["job"], answer["number"]) == ("job@1", 3)
    answer = told(capsys, "export", "job@1@2", "y.tar", "--root", root)
    assert isinstance(answer, dict)
    assert (answer["job"], answer["number"]) == ("job@1", 2)


def test_a_file_that_is_there_is_replaced_only_when_told(
    root: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And then in one step; nothing is left beside it."""
    (tmp_path / "x.tar").write_text("mine")
    assert main(["export", "job", "x.tar", "--root", root]) == 74
    assert "--force" in capsys.readouterr().err
    assert (tmp_path / "x.tar").read_text() == "mine"
    assert main(["export", "job", "x.tar", "--force", "--root", root]) == 0
    assert main(["import", "x.tar", "--root", "other"]) == 0
    assert sorted(os.listdir(tmp_path)) == ["other", "store", "x.tar"]


def test_an_export_that_fails_leaves_what_was_there(
    root: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No half of a file has its name."""
    for pack in (tmp_path / root / "job").rglob("*.pack"):
        data = bytearray(pack.read_bytes())
        data[-5000] ^= 1
        pack.write_bytes(data)
    (tmp_path / "x.tar").write_text("mine")
    assert main(["export", "job", "x.tar", "--force", "--root", root]) == 65
    assert main(["export", "job", "y.tar", "--root", root]) == 65
    assert main(["export", "job", "none/y.tar", "--root", root]) == 74
    assert "none/y.tar" in capsys.readouterr().err
    assert (tmp_path / "x.tar").read_text() == "mine"
    assert sorted(os.listdir(tmp_path)) == ["store", "x.tar"]


@pytest.mark.parametrize(
    "case",
    [
        (["log", "other", "--root", "store"], 66, "'other'"),
        (["log", "job", "--rank", "3", "--root", "store"], 66, "rank 3"),
        (["diff", "job", "1", "9", "--root", "store"], 66, "it has: 1, 2, 3"),
        (["export", "job@9", "x.tar", "--root", "store"], 66, "no checkpoint 9"),
        (["export", "other", "x.tar", "--root", "store"], 66, "'other'"),
        (["import", "none.tar", "--root", "other"], 66, "none.tar"),
        (["import", "store", "--root", "other"], 65, "no regular file"),
        (["import", "junk", "--root", "other"], 65, "nothing was written"),
        (["import", "x.tar", "--job", "../up", "--root", "other"], 74, "../up"),
    ],
    ids=lambda case: " ".join(case[0]),
)
def test_what_cannot_be_done_is_one_clear_line(
    root: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], case: tuple[list[str], int, str]
) -> None:
    """And no store is made."""
    arguments, status, said = case
    (tmp_path / "junk").write_text("no tar" * 200)
    if arguments[0] == "import":
        assert main(["export", "job", "x.tar", "--root", root]) == 0
    assert main(arguments) == status
    written = capsys.readouterr().err
    assert said in written
    assert written.count("\n") == 1
    assert list(tmp_path.glob("other/*")) == []


def test_import_leaves_a_job_that_is_being_written(
    root: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A live writer is named, and nothing is added to what it writes."""
    assert main(["export", "job", "x.tar", "--root", root]) == 0
    group = StateManagerGroup(Settings(root="other", job_id="job", signals=()))
    group.register("n")
    group.update("n", 1)
    group.save()
    try:
        assert main(["import", "x.tar", "--root", "other"]) == 75
        assert f"process {os.getpid()}" in capsys.readouterr().err
    finally:
        group.close()
    assert list((tmp_path / "other").rglob("*.pack")) == []
