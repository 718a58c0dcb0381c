"""Journal, results and logs of an experiment are at any URL: an S3 server on loopback, and memory."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from lattice_addons.errors import ExperimentBusyError
from lattice_addons.experiments import Experiment, search
from lattice_addons.experiments._journal import Journal
from lattice_addons.experiments._lock import RunnerLock
from lattice_addons.experiments._place import Place
from tests.program import Program, finish

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.servers import Bucket
    from tests.integration.services import Server

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


MANY = """
    import os, sys, time
    from lattice_addons.experiments import Experiment, search
    from lattice_addons.experiments._display import Nothing

    class Many(Experiment):
        at: int = search(*range(24))

        def run(self):
            with open("ran", "a") as file:
                file.write(f"{self.at}\\n")
            while self.at > 8 and not os.path.exists("go"):
                time.sleep(0.01)
            return {"twice": 2 * self.at}

    class Tells(Nothing):
        def ended(self, record):
            # At once: a line that a kill tears is no line.
            print(f"{record.status} {record.values['at']}\\n", end="", flush=True)

    if __name__ == "__main__":
        summary = Many().run_all(2, root=sys.argv[1], display=Tells())
        print("summary", summary.done, summary.skipped)
        print("table", sorted(Many.results(root=sys.argv[1]).twice) == [2 * at for at in range(24)])
"""


def _counted(lines: list[str]) -> list[int]:
    return [int(line.split()[1]) for line in lines if line.startswith("done ")]


def test_a_runner_that_uses_a_bucket_is_killed(s3: Bucket, tmp_path: Path) -> None:
    """Another host is told so and must wait; this one carries on at once, and runs nothing that was counted."""
    program = Program(tmp_path, MANY)
    environ = {**s3.environ, "XDG_STATE_HOME": str(tmp_path / "state")}
    process = program.start(s3.root, environ=environ)
    assert process.stdout is not None
    first = [process.stdout.readline() for _ in range(4)]
    if _can_be_elsewhere():
        _refused_elsewhere(program, s3.root, environ)
    process.kill()
    first += process.communicate()[0].splitlines()
    if _can_be_elsewhere():
        _refused_elsewhere(program, s3.root, environ)
    _goes_on(program, s3.root, environ, _counted(first))


def test_a_runner_that_uses_a_service_is_killed_and_so_is_the_service(server: Server, tmp_path: Path) -> None:
    """It waits for one that comes back; after a kill of both nothing that was counted is run again, or missing."""
    program, root = Program(tmp_path, MANY), f"{server.url}/sweeps"
    environ = {"XDG_STATE_HOME": str(tmp_path / "state")}
    process = program.start(root, environ=environ)
    assert process.stdout is not None
    first = [process.stdout.readline() for _ in range(2)]
    server.kill()
    time.sleep(1)  # longer than a few quick tries take
    server.start()
    first += [process.stdout.readline() for _ in range(3)]
    assert first[-1], process.communicate()[1]
    server.kill()
    process.kill()
    first += process.communicate()[0].splitlines()
    server.start()
    _goes_on(program, root, environ, _counted(first))
    records = [record for _, record in Journal(Place.named("program", "Many", root)).read("record")]
    assert sorted(record.values["at"] for record in records) == [*range(24)]


def _goes_on(program: Program, root: str, environ: dict[str, str], counted: list[int]) -> None:
    """Start a program again whose runner was killed, and let it end; what was counted is not run once more."""
    before = len((program.folder / "ran").read_text().split())
    (program.folder / "go").touch()
    ended = finish(program.start(root, environ=environ))
    assert ended.returncode == 0, ended.stderr
    again = [int(line) for line in (program.folder / "ran").read_text().split()[before:]]
    assert not set(counted) & set(again)
    lines = ended.stdout.splitlines()
    assert lines[-2].split()[1:] == [str(len(again)), str(24 - len(again))]
    assert lines[-1] == "table True"


def _can_be_elsewhere() -> bool:
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return False
    command = ["unshare", "--uts", "--pid", "--fork", "--mount-proc", "true"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _refused_elsewhere(program: Program, root: str, environ: dict[str, str]) -> None:
    """Start the program under another host name, with process numbers of its own."""
    script = 'hostname elsewhere && exec "$@"'
    command = ["unshare", "--uts", "--pid", "--fork", "--mount-proc", "sh", "-c", script, "sh"]
    command += [sys.executable, str(program.path), root]
    told = os.environ | environ | {"XDG_STATE_HOME": str(program.folder / "other state")}
    ended = subprocess.run(
        command, capture_output=True, text=True, env=told, cwd=program.folder, check=False, timeout=150
    )
    last = ended.stderr.strip().splitlines()[-1]
    assert "ExperimentBusyError: program.Many is run by process" in last
    assert f"on host {os.uname().nodename}" in last
    assert "counts as dead 120 s after it last did" in last
    assert "done" not in ended.stdout


def test_of_two_hosts_one_takes_a_dead_runners_place(
    s3: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Though both have seen that it is dead before either acts."""
    for name, text in s3.environ.items():
        monkeypatch.setenv(name, text)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    both, told = threading.Barrier(2), RunnerLock._told

    def at_once(lock: RunnerLock, *key: str) -> dict[str, Any] | None:
        found = told(lock, *key)
        if found is not None and found.get("session") == "dead":
            both.wait(120)
        return found

    owner = {"host": "gone", "boot_id": "other", "pid": 1, "start": 1, "pid_namespace": "other"}
    dead = {"owner": owner, "session": "dead", "beat": time.time() - 1000}
    place = Place(Remote, s3.root)
    place.store.put("runner.json", orjson.dumps(dead))
    monkeypatch.setattr(RunnerLock, "_told", at_once)
    # What keeps processes of one machine apart does not keep two hosts apart.
    monkeypatch.setattr(type(place.store), "exclusive", lambda *_: contextlib.nullcontext())
    ends: list[str] = []

    def take() -> None:
        try:
            with Place(Remote, s3.root).lock():
                ends.append("has it")
                done.wait(120)
        except ExperimentBusyError:
            ends.append("refused")
            done.set()

    done = threading.Event()
    threads = [threading.Thread(target=take) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ends) == ["has it", "refused"]
    left = s3.keys()
    assert not [key for key in left if "successors" in key or "runner" in key]


def test_of_two_hosts_one_is_first(s3: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Though neither has seen the other; who comes second is told who it is."""
    for name, text in s3.environ.items():
        monkeypatch.setenv(name, text)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    second, told, asked = Place(Remote, s3.root), RunnerLock._told, []

    def nobody_yet(lock: RunnerLock, *key: str) -> dict[str, Any] | None:
        asked.append(key)
        return None if len(asked) == 2 else told(lock, *key)

    monkeypatch.setattr(RunnerLock, "_told", nobody_yet)
    with (
        Place(Remote, s3.root).lock(),
        pytest.raises(ExperimentBusyError, match="run by process"),
        second.lock(),
    ):
        pass
