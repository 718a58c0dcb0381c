"""A Dask cluster runs settings: a real scheduler and worker processes on loopback, some of them killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("distributed", reason="distributed runs the cluster")

from lattice_addons.errors import ExecutorError
from lattice_addons.experiments import _dask, _shared, _shelf, search
from lattice_addons.experiments._dask_wishes import Wishes
from lattice_addons.experiments._find import find_experiment
from lattice_addons.experiments._journal import Journal
from lattice_addons.experiments._place import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# Loaded by path: the workers have never heard of it, and find its file.
EXPERIMENTS = """
import os, signal, time
from pathlib import Path
import numpy as np
from lattice_addons.experiments import Experiment, search

class Base(Experiment):
    at: int = search(*range(6))
    folder: str = ""

    def begin(self):
        with open(f"{self.folder}/ran", "a") as file:
            file.write(f"{self.at} {os.getpid()}\\n")

class Quick(Base):
    def run(self):
        self.begin()
        return {"twice": 2 * self.at, "rank": self.rank, "of": self.n_proc, "pid": os.getpid()}

class Slow(Base):
    def run(self):
        self.begin()
        # Long enough to be worth a worker: until there are two of them, or it has been waited for.
        until = time.monotonic() + 60
        while len({line.split()[1] for line in open(f"{self.folder}/ran")}) < 2 and time.monotonic() < until:
            time.sleep(0.05)
        return {"twice": 2 * self.at}

class Deadly(Base):
    def run(self):
        self.begin()
        if self.at == 2 and not os.path.exists(f"{self.folder}/died"):
            Path(f"{self.folder}/died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if self.at == 5:
            # The last one ends when a worker has come that was not there at the beginning.
            until = time.monotonic() + 150
            while not os.path.exists(f"{self.folder}/joined") and time.monotonic() < until:
                time.sleep(0.05)
        time.sleep(0.1)
        return {"twice": 2 * self.at, "pid": os.getpid()}

class Picky(Base):
    resources = {"GPU": 1, "memory": "1MB"}

    def run(self):
        self.begin()
        return {"pid": os.getpid()}

class Sharing(Base):
    numbers: object = np.arange(300_000.0)

    def run(self):
        self.begin()
        ones = self.shared(self.ones)
        assert not self.numbers.flags.writeable
        return {"total": self.numbers.sum() + ones.sum(), "pid": os.getpid()}

    def ones(self):
        with open(f"{self.folder}/loads", "a") as file:
            file.write(f"{os.getpid()}\\n")
        return np.ones(300_000)
"""


class Cluster:
    """A scheduler, and workers by their process ids."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / "scheduler.json"
        self.processes: list[subprocess.Popen[bytes]] = []
        self._start(
            "dask_scheduler",
            "--no-dashboard",
            "--port=0",
            "--host=127.0.0.1",
            "--no-show",
            f"--scheduler-file={self._file}",
        )
        wait_for(lambda: self._file.exists() and self._file.read_text().endswith("}"))
        self.address = json.loads(self._file.read_text())["address"]

    def worker(self, *options: str, before: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
        """Start a worker, which nobody starts again when it dies."""
        common = ("--no-nanny", "--nthreads=1", "--host=127.0.0.1", f"--local-directory={self._folder}")
        return self._start("dask_worker", self.address, *common, "--no-dashboard", *options, before=before)

    def _start(self, module: str, *options: str, before: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
        log = open(self._folder / "log", "ab")  # noqa: SIM115 - the process has it
        command = [*before, sys.executable, "-m", f"distributed.cli.{module}", *options]
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self._folder)
        log.close()
        self.processes.append(process)
        return process

    def stop(self, but: int = 0) -> None:
        """End all that was started, but the first."""
        for process in reversed(self.processes[but:]):
            process.kill()
            process.wait()
        del self.processes[but:]


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler for all tests but those that end it."""
    started = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        yield started
    finally:
        started.stop()


@pytest.fixture
def cluster(scheduler: Cluster) -> Iterator[Cluster]:
    """A scheduler without workers, which get none from the test before."""
    try:
        yield scheduler
    finally:
        scheduler.stop(but=1)


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Any]:
    """Experiments of a file that only this test has."""
    (tmp_path / "experiments").mkdir()
    file = tmp_path / "experiments" / f"on_dask_{tmp_path.name}.py"
    file.write_text(EXPERIMENTS)

    def made(name: str, **fields: Any) -> Any:
        cls: Any = find_experiment(f"{file}:{name}")
        return cls(folder=str(tmp_path), **fields)

    return made


def test_settings_run_once_each_though_workers_are_lost_and_join(
    cluster: Cluster, make: Callable[..., Any], tmp_path: Path
) -> None:
    """One of two workers is killed by what it runs, which is run once more elsewhere; another one joins."""
    cluster.worker()
    cluster.worker()
    joined: list[int] = []

    def join() -> None:
        wait_for((tmp_path / "died").exists)
        joined.append(cluster.worker().pid)
        wait_for(lambda: any(pid == joined[0] for _, pid in ran(tmp_path)))
        (tmp_path / "joined").touch()

    joining = threading.Thread(target=join)
    joining.start()
    experiment = make("Deadly", at=search(*range(8)))
    summary = experiment.run_all(dask=cluster.address)
    joining.join()
    assert (summary.done, summary.failed, summary.killed) == (8, 0, 0)
    counts = {at: [each for each, _ in ran(tmp_path)].count(at) for at in range(8)}
    assert counts == {**dict.fromkeys(range(8), 1), 2: 2}
    frame = type(experiment).results()
    assert dict(zip(frame["at"], frame.attempt, strict=True)) == {**dict.fromkeys(range(8), 1), 2: 2}
    assert set(frame.status) == {"done"}
    assert dict(zip(frame["at"], frame.twice, strict=True)) == {at: 2 * at for at in range(8)}
    assert joined[0] in set(frame.pid)

    again = experiment.run_all(dask=cluster.address)
    assert (again.done, again.skipped) == (0, 8)


def test_needs_are_met_and_data_is_shared(
    cluster: Cluster, make: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who offers a GPU runs what needs one, workers of one host load data once, and a changed class is run as it is."""
    shelves: list[str] = []

    def new_name() -> str:
        shelves.append(_shelf.new_name())
        return shelves[-1]

    monkeypatch.setattr(_shared, "new_name", new_name)
    gpu = cluster.worker("--resources", "GPU=1")
    cluster.worker()
    picky = make("Picky")
    assert picky.run_all(dask=cluster.address).done == 6
    assert {pid for _, pid in ran(tmp_path)} == {gpu.pid}
    (tmp_path / "ran").unlink()

    from distributed import Client

    with Client(cluster.address, set_as_default=False) as client:  # type: ignore[no-untyped-call]
        client.wait_for_workers(2, timeout=150)
        sharing = make("Sharing", at=search(*range(20)))
        assert sharing.run_all(dask=client).done == 20
        assert client.status == "running"  # it is ours to close
        change(make, tmp_path)
        changed = make("Quick")
        assert changed.run_all(dask=client).done == 6
        assert sorted(type(changed).results().twice) == [0, 3, 6, 9, 12, 15]
    totals = type(sharing).results().total
    assert set(totals) == {sum(range(300_000)) + 300_000}
    assert len((tmp_path / "loads").read_text().split()) == 1
    assert len({pid for _, pid in ran(tmp_path)}) == 2
    # Nothing was left behind; what lies there of other programs is not looked at.
    assert len(shelves) == 3
    assert not [name for base in _shelf._bases() for name in os.listdir(base) if name in shelves]


@pytest.mark.mounts
def test_another_host_gets_data_once_and_removes_it(
    cluster: Cluster, make: Callable[..., Any], tmp_path: Path
) -> None:
    """Two workers that have another shared memory than the runner, as on another machine, are sent large fields."""
    if os.geteuid() != 0:
        pytest.skip("to mount needs root")
    script = 'mount -t tmpfs tmpfs /dev/shm && exec "$@"'
    far = cluster.worker(before=("unshare", "-m", "sh", "-c", script, "sh"))
    sharing = make("Sharing")
    assert sharing.run_all(dask=cluster.address).done == 6
    assert {pid for _, pid in ran(tmp_path)} == {far.pid}
    assert set(type(sharing).results().total) == {sum(range(300_000)) + 300_000}
    assert os.listdir(f"/proc/{far.pid}/root{_shelf._MEMORY}") == []


def test_an_address_where_nobody_is_is_one_clear_error(make: Callable[..., Any]) -> None:
    """It is told at once, with what to do."""
    for address in ("tcp://127.0.0.1:9", "nowhere"):
        with pytest.raises(ExecutorError, match=r"no Dask scheduler answers.*dask worker") as caught:
            make("Quick").run_all(dask=address)
        assert caught.value.address == address


def test_a_scheduler_that_goes_loses_nothing(
    make: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What had ended stays done; the rest runs when there is a cluster again, or without one."""
    monkeypatch.setattr(_dask, "ANSWER", 3)  # seconds in which it may come back
    (tmp_path / "cluster").mkdir()
    cluster = Cluster(tmp_path / "cluster")
    cluster.worker()
    experiment = make("Deadly", at=search(0, 1, 5))

    def end() -> None:
        wait_for(lambda: len(ran(tmp_path)) == 3)
        cluster.stop()

    ending = threading.Thread(target=end)
    ending.start()
    with pytest.raises(ExecutorError, match="is gone"):
        experiment.run_all(dask=cluster.address)
    ending.join()
    records = Journal(Place(type(experiment))).records().values()
    assert sorted(record.values["at"] for record in records if record.status == "done") == [0, 1]
    (tmp_path / "joined").touch()
    summary = experiment.run_all(num_proc=0)
    assert (summary.done, summary.skipped) == (1, 2)


def test_a_kind_of_cluster_is_made_for_the_run(make: Callable[..., Any], tmp_path: Path) -> None:
    """`dask=LocalCluster` starts one with as many workers as processes were asked for, and ends it."""
    from distributed import LocalCluster

    quick = make("Quick")
    assert quick.run_all(2, dask=LocalCluster).done == 6
    frame = type(quick).results()
    assert set(frame.of) == {2}
    assert set(frame["rank"]) <= {0, 1}
    wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for _, pid in ran(tmp_path)))


def test_no_worker_is_lost_while_the_client_knows_of_none(
    cluster: Cluster, make: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client of Dask takes note of its scheduler from time to time, here all the time, without any workers."""
    import dask

    monkeypatch.setattr(_dask, "_LOOK", 0.001)
    cluster.worker()
    (tmp_path / "died").touch()
    (tmp_path / "joined").touch()
    experiment = make("Deadly", at=search(*range(30)))
    with dask.config.set({"distributed.client.scheduler-info-interval": "1ms"}):
        assert experiment.run_all(dask=cluster.address).done == 30
    assert sorted(at for at, _ in ran(tmp_path)) == list(range(30))


@pytest.mark.parametrize("minimum", [0, 1])
def test_an_adaptive_cluster_grows_by_what_waits(
    minimum: int, make: Callable[..., Any], tmp_path: Path
) -> None:
    """It begins from nothing, has more workers while there is work for them, and nothing is left with its scheduler."""
    from distributed import Client, LocalCluster

    slow = make("Slow")
    made: Any = LocalCluster(n_workers=0, threads_per_worker=2, dashboard_address=":0")  # type: ignore[no-untyped-call]
    with made as cluster, Client(cluster, set_as_default=False) as client:  # type: ignore[no-untyped-call]
        cluster.adapt(minimum=minimum, maximum=2, interval="200ms")
        assert slow.run_all(dask=client).done == 6
        assert len({pid for _, pid in ran(tmp_path)}) == 2
        wait_for(lambda: not cluster.scheduler.tasks)
    frame = type(slow).results()
    assert set(frame.status) == {"done"}
    assert set(frame.attempt) == {1}


def test_wishes_are_seen_and_never_run(cluster: Cluster) -> None:
    """The scheduler counts as many as there should be, though one was cancelled there, and forgets the others."""
    from distributed import Client

    def counted(dask_scheduler: Any) -> tuple[int, int]:
        return len(dask_scheduler.unrunnable), len(dask_scheduler.tasks)

    cluster.worker()
    with Client(cluster.address, set_as_default=False) as client:  # type: ignore[no-untyped-call]
        client.wait_for_workers(1, timeout=150)
        wishes = Wishes(client, "lattice.Some")
        for count in (5, 2):
            wishes.keep(count)
            wait_for(lambda: client.run_on_scheduler(counted) == (count, count))  # noqa: B023 - it is waited for
        client.cancel(wishes._futures[:1])
        wait_for(lambda: client.run_on_scheduler(counted) == (1, 1))
        wishes.keep(2)
        wait_for(lambda: client.run_on_scheduler(counted) == (2, 2))
        wishes.keep(0)
        wait_for(lambda: client.run_on_scheduler(counted) == (0, 0))


def test_a_worker_that_is_retired_before_a_run_begins_loses_nothing(
    cluster: Cluster, make: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cluster that shrinks takes idle workers: one that goes just as it is given a setting has not run it."""
    from distributed import Client

    retired: list[str] = []
    submit = _dask.DaskPool.submit
    cluster.worker()
    cluster.worker()
    with Client(cluster.address, set_as_default=False) as client:  # type: ignore[no-untyped-call]
        client.wait_for_workers(2, timeout=150)

        def retiring(pool: Any, task: Any) -> None:
            if not retired:
                retired.extend(client.retire_workers([pool._slots[0].name]))
            submit(pool, task)

        monkeypatch.setattr(_dask.DaskPool, "submit", retiring)
        quick = make("Quick")
        assert quick.run_all(dask=client).done == 6
    assert len(retired) == 1
    assert len({pid for _, pid in ran(tmp_path)}) == 1
    assert set(type(quick).results().attempt) == {1}


def change(make: Callable[..., Any], folder: Path) -> None:
    """Edit the file of the experiments, which the workers have imported; here it is a new program that begins."""
    name = type(make("Quick")).__module__
    file = folder / "experiments" / f"{name}.py"
    file.write_text(file.read_text().replace('"twice": 2', '"twice": 3'))
    del sys.modules[name]


def ran(folder: Path) -> list[tuple[int, int]]:
    """Give which settings have begun, and in which process."""
    file = folder / "ran"
    lines = file.read_text().splitlines() if file.exists() else []
    return [(int(at), int(pid)) for at, pid in map(str.split, lines)]


def wait_for(condition: Callable[[], object]) -> None:
    """Wait until something is so."""
    until = time.monotonic() + 150
    while not condition():
        assert time.monotonic() < until, "nothing came of it"
        time.sleep(0.02)
