"""Any executor of `concurrent.futures` runs settings."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lattice_addons.errors import ExecutorError, SettingError
from lattice_addons.experiments import Experiment, search
from lattice_addons.experiments._journal import Journal
from lattice_addons.experiments._place import Place

if TYPE_CHECKING:
    from pathlib import Path

together = threading.Barrier(2, timeout=150)


class Trial(Experiment):
    """Settings with a large field."""

    lr: float = search(0.1, 0.2, 0.3)
    numbers: Any = np.arange(300_000.0)

    def run(self) -> dict[str, Any]:
        """Tell where it runs."""
        if self.lr > 0.25:
            raise ValueError("too large")
        os.write(1, f"runs with {self.lr}\n".encode())  # pytest has put something else where print writes to
        ones = self.shared(lambda: np.ones(300_000))
        return {
            "total": self.numbers.sum() + ones.sum(),
            "pid": os.getpid(),
            "rank": self.rank,
            "of": self.n_proc,
        }


class Meeting(Experiment):
    """Settings that wait for each other."""

    place: str = search("here", "there")

    def run(self) -> int:
        """Wait until both run."""
        together.wait()
        return self.rank


class Deadly(Experiment):
    """One of its settings ends its process."""

    at: int = search(*range(6))

    def run(self) -> int:
        """Run, or die."""
        if self.at == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return self.at


def test_processes_of_an_executor_run_settings(tmp_path: Path) -> None:
    """Results, failures and logs are there as with our own pool; large data is shared with a forked process, too."""
    root = str(tmp_path)
    with ProcessPoolExecutor(2) as executor:
        summary = Trial().run_all(executor=executor, root=root)
    assert (summary.done, summary.failed) == (2, 1)
    frame = Trial.results(root=root)
    done = frame[frame.status == "done"]
    assert set(done.total) == {np.arange(300_000.0).sum() + 300_000}
    assert os.getpid() not in set(done.pid)
    assert set(done.of) == {2}
    assert set(done["rank"]) <= {0, 1}
    logs = [path.read_text() for path in sorted(tmp_path.rglob("*.log"))]
    assert logs[:2] == ["runs with 0.1\n", "runs with 0.2\n"]
    assert "too large" in logs[2]


def test_what_is_done_is_not_run_again_elsewhere(tmp_path: Path) -> None:
    """A setting is done wherever it ran: a second start, on another executor, skips it."""
    with ThreadPoolExecutor(2) as executor:
        Trial(lr=search(0.1, 0.2)).run_all(executor=executor, root=str(tmp_path))
        summary = Trial(lr=search(0.1, 0.2, 0.05)).run_all(executor=executor, root=str(tmp_path))
    assert (summary.done, summary.skipped) == (1, 2)


def test_threads_run_at_a_time_each_with_its_rank(tmp_path: Path) -> None:
    """Two settings that wait for each other both end: two ran at a time, as 0 and 1."""
    with ThreadPoolExecutor(2) as executor:
        summary = Meeting().run_all(executor=executor, root=str(tmp_path))
    assert summary.done == 2
    assert sorted(_rows(Meeting, tmp_path)) == [0, 1]


def test_the_executor_stays_its_owners(tmp_path: Path) -> None:
    """It is not shut down with the experiment."""
    with ThreadPoolExecutor(1) as executor:
        Trial(lr=search(0.1)).run_all(executor=executor, root=str(tmp_path))
        assert executor.submit(len, "abc").result() == 3


def test_an_executor_that_breaks_is_one_clear_error_and_loses_nothing(tmp_path: Path) -> None:
    """When a worker dies, Python's own pool runs nothing any more: what was done stays done."""
    with (
        ProcessPoolExecutor(1) as executor,
        pytest.raises(ExecutorError, match=r"ProcessPoolExecutor.*num_proc="),
    ):
        Deadly().run_all(executor=executor, root=str(tmp_path))
    done = _rows(Deadly, tmp_path)
    assert 3 not in done
    with ThreadPoolExecutor(1) as executor:
        summary = Deadly(at=search(0, 1, 2, 4, 5)).run_all(executor=executor, root=str(tmp_path))
    assert (summary.done, summary.skipped) == (5 - len(done), len(done))


def test_an_executor_that_was_shut_down_is_refused(tmp_path: Path) -> None:
    """Nothing can be submitted to it."""
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(ExecutorError, match="shutdown"):
        Trial().run_all(executor=executor, root=str(tmp_path))


def test_something_else_is_refused(tmp_path: Path) -> None:
    """A pool of multiprocessing is no executor."""
    with pytest.raises(SettingError, match=r"no concurrent\.futures\.Executor"):
        Trial().run_all(executor="four", root=str(tmp_path))


def _rows(cls: type, root: Path) -> list[Any]:
    records = Journal(Place(cls, str(root))).records().values()
    return [next(iter(record.rows[0].values())) for record in records if record.status == "done"]
