"""The audit log is lines of JSON, whatever is in them, and has no secret."""

from __future__ import annotations

import json
import os
import threading
from typing import TYPE_CHECKING

import pytest

from lattice_addons.errors import StoreError
from lattice_addons.service import Audit, Tokens
from lattice_addons.storage import LocalStore

if TYPE_CHECKING:
    from pathlib import Path


def lines(path: Path) -> list[dict[str, object]]:
    """Read a log."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_who_did_what(tmp_path: Path) -> None:
    """A line has the time, who, what, to which job, and what else there is; the file is its owner's alone."""
    path = tmp_path / "log" / "audit.jsonl"
    audit = Audit(path)
    audit.note("abc", "write", "train", key="x", status=201, bytes=5, nothing=None)

    (line,) = lines(path)
    assert line.pop("time")
    assert line == {"who": "abc", "act": "write", "job": "train", "key": "x", "status": 201, "bytes": 5}
    assert path.stat().st_mode & 0o777 == 0o600


def test_nobody_writes_a_line_of_their_own(tmp_path: Path) -> None:
    """What a client calls a job cannot end the line, nor pass for another field."""
    path = tmp_path / "audit.jsonl"
    evil = 'a"}\n{"who": "admin", "act": "nothing\u2028\x1b[31m\udc80'
    Audit(path).note("abc", "write", evil)

    (line,) = lines(path)
    assert line["job"] == evil
    assert path.read_bytes().isascii()


def test_no_secret_and_no_flood(tmp_path: Path) -> None:
    """A token that somebody put into a name is cut, and so is what is too long to read."""
    path = tmp_path / "audit.jsonl"
    _, shown = Tokens(LocalStore(tmp_path / "store")).create("", "admin")
    Audit(path).note("abc", "write", "a", key=f"x/{shown}/y", other="z" * 100_000)

    text = path.read_text(encoding="utf-8")
    assert shown[-40:] not in text
    assert len(text) < 1_500


def test_what_is_done_over_and_over_is_told_once_a_minute(tmp_path: Path) -> None:
    """A job that is read in a thousand pieces is one line for each who reads it."""
    path = tmp_path / "audit.jsonl"
    audit = Audit(path)
    for _ in range(1000):
        audit.note_once(("one", "a"), "one", "read", "a")
        audit.note_once(("two", "a"), "two", "read", "a")
    audit.note_once(("one", "b"), "one", "read", "b")

    assert [(line["who"], line["job"]) for line in lines(path)] == [("one", "a"), ("two", "a"), ("one", "b")]


def test_rotation_loses_no_line(tmp_path: Path) -> None:
    """Files take each other's place, each within its size, and the newest lines are all there, in order."""
    path = tmp_path / "audit.jsonl"
    audit = Audit(path, size=2000, files=4)
    for number in range(200):
        audit.note("abc", "write", "a", number=number)

    files = [*(path.with_name(f"{path.name}.{age}") for age in (3, 2, 1)), path]
    assert {each.name for each in tmp_path.iterdir()} == {each.name for each in files}
    assert max(each.stat().st_size for each in files) <= 2000
    numbers = [line["number"] for each in files for line in lines(each)]
    assert numbers == list(range(200 - len(numbers), 200))


def test_threads_and_two_services_mix_no_lines(tmp_path: Path) -> None:
    """Each line is whole when several write, and when another program takes the file away in between."""
    path = tmp_path / "audit.jsonl"
    audits = [Audit(path), Audit(path)]

    def write(audit: Audit) -> None:
        for _ in range(100):
            audit.note("abc", "write", "a" * 200)

    threads = [threading.Thread(target=write, args=(audit,)) for audit in audits * 2]
    for thread in threads:
        thread.start()
    os.replace(path, tmp_path / "taken.jsonl")
    for thread in threads:
        thread.join()
    audits[0].note("abc", "end", None)
    assert len(lines(path)) + len(lines(tmp_path / "taken.jsonl")) == 401


def test_full_disk_is_told_and_stops_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """When it cannot be written, work goes on; it is told once."""
    audit = Audit("/dev/full")
    for _ in range(3):
        audit.note("abc", "write", "a")

    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_missing_lines_are_counted(tmp_path: Path) -> None:
    """The first line that can be written again says how many are missing."""
    path = tmp_path / "folder" / "audit.jsonl"
    audit = Audit(path)
    os.rename(path.parent, tmp_path / "away")
    audit.note("abc", "write", "a")
    audit.note("abc", "write", "a")
    os.rename(tmp_path / "away", path.parent)
    audit.note("abc", "write", "b")
    audit.note("abc", "write", "c")

    assert [(line["job"], line.get("missing")) for line in lines(path)] == [("b", 2), ("c", None)]


def test_place_that_cannot_be(tmp_path: Path) -> None:
    """A place that cannot be written is an error before the service begins."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(StoreError, match="--audit"):
        Audit(tmp_path / "file" / "audit.jsonl")
