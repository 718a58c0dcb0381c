"""Workers die, and the settings do not notice."""

from __future__ import annotations

import importlib
import multiprocessing.connection
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lattice_addons.errors import ExecutorError, RunFailedError
from lattice_addons.experiments import Experiment, Place, search
from lattice_addons.experiments._course import Course
from lattice_addons.experiments._display import Nothing
from lattice_addons.experiments._loky_pool import LokyPool
from lattice_addons.experiments._pool import Task
from lattice_addons.experiments._results import Results
from lattice_addons.lifecycle import Owner
from tests.unit.experiments.processes import pid_in, running

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lattice_addons.experiments._pool import Outcome

KINDS = ("fine", "killed", "exits", "memory", "raises", "leaves", "once", "also fine")


class Dies(Experiment):
    """Settings that end in every way there is."""

    kind: str = search(*KINDS)
    folder: str = ""

    def run(self) -> Mapping[str, Any]:
        """End in the way of its name."""
        print("python says", self.kind, flush=True)  # noqa: T201 - what is printed is what it is about
        os.system("echo a child says it, too")  # noqa: S605 - as above
        if self.kind == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.kind == "exits":
            os._exit(3)
        if self.kind == "memory":
            raise MemoryError
        if self.kind == "raises":
            raise ValueError("as it should")
        if self.kind == "leaves":
            sys.exit(2)
        once = Path(self.folder, "once")
        if self.kind == "once" and not once.exists():
            once.touch()
            os.kill(os.getpid(), signal.SIGTERM)
        return {"rank": self.rank, "of": self.n_proc, "pid": os.getpid()}


def test_every_end_is_told_and_no_other_setting_lost(tmp_path: Path) -> None:
    """A worker that was killed is replaced, its setting is run once more; how it ended, and its log, are recorded."""
    summary = Dies(folder=str(tmp_path)).run_all(2, root=str(tmp_path), display=Nothing())
    assert (summary.done, summary.failed, summary.killed) == (3, 2, 3)
    place = Place(Dies, tmp_path)
    records = {each.values["kind"]: each for each in place.journal().records().values()}
    assert {kind: each.attempt for kind, each in records.items()} == {
        **dict.fromkeys(KINDS, 1),
        **dict.fromkeys(("killed", "exits", "memory", "once"), 2),
    }
    assert "its worker was killed by SIGKILL" in records["killed"].error
    assert "its worker ended with exit code 3" in records["exits"].error
    assert "MemoryError" in records["memory"].error
    assert "ValueError: as it should" in records["raises"].error
    assert "SystemExit: 2" in records["leaves"].error
    assert records["fine"].rows[0]["of"] == 2
    assert {each.rows[0]["rank"] for each in records.values() if each.rows} <= {0, 1}
    for kind, each in records.items():
        text = Path(place.url, each.log).read_text(encoding="utf-8")
        assert text.startswith(f"python says {kind}\na child says it, too\n")
        assert each.status != "failed" or text.rstrip().endswith(each.error.rstrip())


class Quick(Experiment):
    """Many settings that take no time; one of them dies, once."""

    i: int = search(*range(600))
    folder: str = ""

    def run(self) -> dict[str, int]:
        """Take note that it was run, and give a row."""
        with open(os.path.join(self.folder, f"ran-{os.getpid()}"), "a", encoding="ascii") as file:
            file.write(f"{self.i}\n")
        died = Path(self.folder, "died")
        if self.i == 500 and not died.exists():
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return {"twice": 2 * self.i}


def test_many_small_settings_go_together_and_each_is_recorded(tmp_path: Path) -> None:
    """A worker that dies in the middle of a batch loses the setting that it was at, and no other is run twice."""
    summary = Quick(folder=str(tmp_path)).run_all(2, root=str(tmp_path / "root"), display=Nothing())
    assert (summary.done, summary.killed, summary.failed) == (600, 0, 0)
    ran = [int(line) for path in tmp_path.glob("ran-*") for line in path.read_text().split()]
    assert sorted(ran) == sorted([*range(600), 500])
    records = Place(Quick, tmp_path / "root").journal().records().values()
    assert {each.values["i"]: each.rows for each in records} == {i: [{"twice": 2 * i}] for i in range(600)}
    assert not any(each.log for each in records)


class Torn(Experiment):
    """A worker that is killed when half of its long answer is sent."""

    i: int = search(*range(3))
    folder: str = ""

    def run(self) -> dict[str, Any]:
        """Give more than a pipe holds; the first time the worker does not get to the end of it."""
        half = Path(self.folder, "half")
        if not half.exists():
            half.write_text(f"{os.getpid()}\n")
            multiprocessing.connection.Connection._send = _half  # type: ignore[attr-defined] # the real one's way out
        return {"text": f"{self.i}" * 200_000}


def _half(connection: Any, data: bytes, write: Any = os.write) -> None:
    write(connection.fileno(), bytes(data)[: len(data) // 2])
    os.kill(os.getpid(), signal.SIGKILL)


def test_killed_in_the_middle_of_an_answer(tmp_path: Path) -> None:
    """What the worker had written down counts, nobody waits for the rest, and another one does what is left."""
    root = str(tmp_path / "root")
    summary = Torn(folder=str(tmp_path)).run_all(1, root=root, display=Nothing())
    assert (summary.done, summary.killed) == (3, 0)
    records = Place(Torn, root).journal().records().values()
    assert [each.attempt for each in records] == [1, 1, 1]
    assert all(len(each.rows[0]["text"]) == 200_000 for each in records)


def test_stopped_with_half_an_answer(tmp_path: Path) -> None:
    """A runner that gives up does not wait for the other half."""

    class GivesUp(Nothing):
        def started(self, identity: str, name: str, worker: str) -> None:  # noqa: ARG002 - a display's
            half = tmp_path / "half"
            pid = pid_in(half)
            while running(pid):
                time.sleep(0.01)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Torn(folder=str(tmp_path)).run_all(1, root=str(tmp_path / "root"), display=GivesUp())


def test_killed_while_it_waits(tmp_path: Path) -> None:
    """A worker that has nothing to do may die, too: the next setting has another one."""

    class Waits(Experiment):
        i: int = search(1, 2)

        def run(self) -> dict[str, int]:
            return {"pid": os.getpid()}

    settings = list(Waits())
    course = Course("run", Waits, Place(Waits, tmp_path), 1, Owner.current())
    course.place.store  # noqa: B018 - its folder is made
    pool = LokyPool(course, course.place.journal(), 1)
    with pool:
        for each in settings:
            pool.submit(Task(each.identity, each.name, each.as_dict(), each.searched))
            ended: list[Outcome] = []
            while not ended:
                ended = pool.finished(0.1)
            record = ended[0].record
            assert record is not None
            assert record.status == "done"
            os.kill(record.pid, signal.SIGKILL)
            while pool._lanes[0]._executor._flags.broken is None:
                time.sleep(0.01)


class Broken(Experiment):
    """Cannot be made in a worker."""

    i: int = search(1, 2)

    def __reduce__(self) -> str:
        """Have no say."""
        return "nothing"


def test_workers_that_cannot_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Are one clear error, not a failure of each setting."""
    source = (
        "import os\n"
        "if 'IN_RUNNER' not in os.environ: raise RuntimeError('no place for me')\n"
        "from lattice_addons.experiments import Experiment, search\n"
        "class E(Experiment):\n    i: int = search(1, 2)\n"
    )
    (tmp_path / "only_in_runner.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("IN_RUNNER", "1")
    module = importlib.import_module("only_in_runner")
    monkeypatch.delenv("IN_RUNNER")
    with pytest.raises(ExecutorError, match=r"(?s)a worker cannot run.*no place for me"):
        module.E().run_all(1, root=str(tmp_path / "root"), display=Nothing())


def test_a_stopped_runner_stops_its_workers(tmp_path: Path) -> None:
    """They get a signal at which they save; none is left behind."""

    class Slow(Experiment):
        i: int = search(1, 2)

        def run(self) -> None:
            Path(tmp_path, f"pid-{os.getpid()}").touch()
            time.sleep(60)

    class Stops(Nothing):
        def started(self, identity: str, name: str, worker: str) -> None:  # noqa: ARG002 - a display's
            if worker == "1":
                while len(list(tmp_path.glob("pid-*"))) < 1:
                    time.sleep(0.01)
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Slow().run_all(2, root=str(tmp_path / "root"), display=Stops())
    for path in tmp_path.glob("pid-*"):
        assert not Path(f"/proc/{path.name.removeprefix('pid-')}").exists()


def test_no_processes_at_all(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """For a debugger: what is printed is printed here, and there is no log."""

    class Here(Experiment):
        def run(self) -> dict[str, int]:
            print("here", self.rank, self.n_proc)  # noqa: T201 - what is printed is what it is about
            return {"pid": os.getpid()}

    Here().run_all(0, root=str(tmp_path), display=Nothing())
    (record,) = Place(Here, tmp_path).journal().records().values()
    assert (record.rows, record.log) == ([{"pid": os.getpid()}], "")
    assert capfd.readouterr().out == "here 0 0\n"


class Late(Experiment):
    """One fails, while another is at work that would last for ever."""

    what: str = search("done", "works", "fails")
    folder: str = ""

    def run(self) -> int:
        """Do what it is called."""
        mark = Path(self.folder, "pid")
        if self.what == "works":
            mark.write_text(f"{os.getpid()}\n", encoding="ascii")
            time.sleep(600)
        if self.what == "fails":
            pid_in(mark)
            raise ValueError(self.what)
        return 1


def test_results_are_tidied_when_no_worker_writes_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table that nobody names goes then, and that of a run which is just about to name it must stay."""
    at_work: list[bool] = []
    close = Results.close

    def closed(self: Results) -> None:
        at_work.append((tmp_path / "pid").exists() and running(pid_in(tmp_path / "pid")))
        close(self)

    monkeypatch.setattr(Results, "close", closed)
    options: dict[str, Any] = {"root": str(tmp_path / "root"), "display": Nothing()}
    assert Late(folder=str(tmp_path)).run_all(1, limit=1, **options).done == 1
    with pytest.raises(RunFailedError):
        Late(folder=str(tmp_path)).run_all(2, fail_fast=True, **options)
    assert at_work == [False, False]
