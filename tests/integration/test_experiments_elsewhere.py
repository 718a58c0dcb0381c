"""Journal, results and logs of an experiment are at any URL: an S3 server on loopback, and memory."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from lattice_addons.experiments import Experiment, search
from lattice_addons.experiments._journal import Journal
from lattice_addons.experiments._place import Place

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.servers import Bucket

pytest.importorskip("s3fs", reason="s3fs is the way to S3")


class Remote(Experiment):
    """Settings of which one fails until it is told not to."""

    at: int = search(*range(4))
    works: Any = None

    def run(self) -> dict[str, Any]:
        """Fail, or give a row."""
        os.write(1, f"at {self.at}\n".encode())
        if self.at == 2 and not os.environ.get("LATTICE_TEST_WORKS"):
            raise ValueError("not yet")
        return {"twice": 2 * self.at}


def test_an_experiment_lives_in_a_bucket(s3: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two worker processes, one failure, a second start on another machine: nothing runs twice, all is in S3."""
    for name, text in s3.environ.items():
        monkeypatch.setenv(name, text)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "one"))
    summary = Remote().run_all(2, root=s3.root)
    assert (summary.done, summary.failed) == (3, 1)
    keys = s3.keys()
    assert any("/journal/" in key for key in keys)
    logs = [key for key in keys if "/logs/" in key]
    assert len(logs) == 4
    assert all((s3.get(key) or b"").startswith(b"at ") for key in logs)

    # Another machine has none of our files.
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "two"))
    monkeypatch.setenv("LATTICE_TEST_WORKS", "1")
    again = Remote().run_all(0, root=s3.root, rerun="failed")
    assert (again.done, again.skipped) == (1, 3)
    keys = s3.keys()
    frame = Remote.results(root=s3.root)
    assert dict(zip(frame["at"], frame.twice, strict=True)) == {0: 0, 1: 2, 2: 4, 3: 6}
    assert set(frame.status) == {"done"}
    assert any("/results/" in key for key in keys)
    records = Journal(Place(Remote, s3.root)).records()
    assert sorted(record.attempt for record in records.values()) == [1, 1, 1, 2]


def test_an_experiment_lives_in_memory() -> None:
    """For a program that keeps nothing, the results are there while it lives."""
    root = "memory://experiments-elsewhere"
    assert Remote(at=search(0, 1)).run_all(0, root=root).done == 2
    assert Remote(at=search(0, 1)).run_all(0, root=root).skipped == 2
    assert sorted(Remote.results(root=root).twice) == [0, 2]
