"""Whatever a run does to its process, the other settings do not notice."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from lattice_addons.experiments import Experiment, Place, search
from lattice_addons.experiments._display import Nothing
from lattice_addons.experiments._orphan import workers_ended
from tests.unit.experiments.processes import pid_in

RAISED: dict[str, BaseException] = {
    "interrupt": KeyboardInterrupt(),
    "cancelled": asyncio.CancelledError(),
    "generator": GeneratorExit(),
    "surrogate": ValueError("\ud800"),
    "full": OSError(errno.ENOSPC, "No space left on device"),
}
FAILED = ("interrupt", "cancelled", "generator", "surrogate")
DONE = ("fork", "fork leaves", "streams", "closes", "folder", "no folder", "last")


class Wild(Experiment):
    """Settings that raise what is no Exception, fork, and alter what later runs need."""

    kind: str = search(*FAILED, "full", *DONE)
    folder: str = ""

    def run(self) -> dict[str, str]:
        """Do what its name says; each leaves a line in a file."""
        print("from", self.kind)  # noqa: T201 - a stream that an earlier run has spoilt would fail here
        here = Path.cwd()
        with Path(self.folder, "ran").open("a", encoding="utf-8") as file:
            file.write(f"{self.kind}\n")
        if self.kind in RAISED:
            raise RAISED[self.kind]
        if self.kind.startswith("fork"):
            self.fork()
        self.spoil()
        return {"here": str(here)}

    def fork(self) -> None:
        """Let a second process come back from the run, or leave it as a program is left."""
        child = os.fork()
        if not child and self.kind == "fork leaves":
            sys.exit(7)
        if child:
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            assert code == (7 if self.kind == "fork leaves" else 0)

    def spoil(self) -> None:
        """Alter what the next run in this process needs."""
        if self.kind == "streams":
            sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - left behind
        if self.kind == "closes":
            sys.stdout.close()
        if self.kind == "folder":
            os.chdir("/")
        if self.kind == "no folder":
            gone = Path(self.folder, "gone")
            gone.mkdir()
            os.chdir(gone)
            gone.rmdir()


def test_the_others_go_on(tmp_path: Path) -> None:
    """Each is run once and has its own record; a full disk is not the setting's fault, and it is run again."""
    experiment = Wild(folder=str(tmp_path))
    options: dict[str, Any] = {"root": str(tmp_path), "display": Nothing()}

    summary = experiment.run_all(1, **options)

    records = {each.values["kind"]: each for each in Place(Wild, tmp_path).journal().records().values()}
    assert {kind: each.status for kind, each in records.items()} == {
        **dict.fromkeys(FAILED, "failed"),
        **dict.fromkeys(DONE, "done"),
        "full": "killed",
    }
    assert (summary.done, summary.failed, summary.killed) == (len(DONE), len(FAILED), 1)
    assert Path(tmp_path, "ran").read_text(encoding="utf-8").split("\n") == [*FAILED, "full", *DONE, ""]
    assert {each.rows[0]["here"] for each in records.values() if each.rows} == {os.getcwd()}
    assert Path(Place(Wild, tmp_path).url, records["last"].log).read_text(encoding="utf-8") == "from last\n"
    (planned,) = experiment.run_all(1, dry_run=True, **options).planned
    assert planned.startswith("kind=full,")


def test_failures_with_odd_texts_are_in_the_results(tmp_path: Path) -> None:
    """A text that is not UTF-8 stands there with its escapes."""
    experiment = Wild(kind="surrogate", folder=str(tmp_path))
    assert experiment.run_all(0, root=str(tmp_path), display=Nothing()).failed == 1
    assert list(Wild.results(root=str(tmp_path))["error"]) == ["ValueError: \\ud800"]


def test_ctrl_c_ends_what_runs_in_this_process(tmp_path: Path) -> None:
    """It is meant for the program, and no failure of the setting."""
    experiment = Wild(kind="interrupt", folder=str(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        experiment.run_all(0, root=str(tmp_path), display=Nothing())
    assert not Place(Wild, tmp_path).journal().records()


class Daemon(Experiment):
    """Leaves a process behind."""

    folder: str = ""

    def run(self) -> None:
        """Fork a process that goes on for long."""
        if not os.fork():
            # By itself: when this is there, it has let go of what the worker holds.
            Path(self.folder, "child").write_text(f"{os.getpid()}\n", encoding="ascii")
            signal.pause()


def test_a_process_that_a_run_left_holds_nothing_up(tmp_path: Path) -> None:
    """The next runner does not take it for a worker of a dead one."""
    assert Daemon(folder=str(tmp_path)).run_all(1, root=str(tmp_path), display=Nothing()).done == 1
    child = pid_in(Path(tmp_path, "child"))
    try:
        os.kill(child, 0)
        assert workers_ended(Place(Daemon, tmp_path).folder, 0)
    finally:
        os.kill(child, signal.SIGKILL)
