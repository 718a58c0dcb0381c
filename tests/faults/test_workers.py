"""Forked children that are meant to save: each has a group with settings of its own."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

from tests.program import Program

if TYPE_CHECKING:
    from pathlib import Path

FORKED = """
    import os, signal, sys
    from lattice_addons import StateManagerGroup
    from lattice_addons.settings import Settings

    if os.fork() == 0:
        group = StateManagerGroup(Settings(job_id="child"))
        group.register("value")
        group.update("value", 7)
        if "signal" in sys.argv:
            os.kill(os.getpid(), signal.SIGTERM)
        sys.exit()
    print(os.waitstatus_to_exitcode(os.wait()[1]))
"""

WORKERS = """
    import multiprocessing, sys
    from lattice_addons import StateManagerGroup
    from lattice_addons.settings import Settings

    def work():
        group = StateManagerGroup(Settings(job_id="worker"))
        group.register("value")
        group.update("value", 7)

    if __name__ == "__main__":
        if "parent" in sys.argv:
            kept = StateManagerGroup()
        process = multiprocessing.get_context(sys.argv[1]).Process(target=work)
        process.start(); process.join()
        print(process.exitcode)
"""


def saved(program: Program, job: str) -> list[tuple[str, object]]:
    """Give each checkpoint's reason and value."""
    paths = sorted((program.root / job).glob("rank-*/checkpoints/*.json"))
    manifests = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    return [(manifest["reason"], manifest["slots"]["value"]["value"]) for manifest in manifests]


@pytest.mark.parametrize(
    ("how", "status", "reason"), [("end", 0, "exit"), ("signal", -signal.SIGTERM, "signal:SIGTERM")]
)
def test_forked_before_there_was_a_group(tmp_path: Path, how: str, status: int, reason: str) -> None:
    """A child whose parent has only imported the package, as a server that loads its program first, saves."""
    program = Program(tmp_path, FORKED)
    ended = program.run(how)
    assert ended.stdout == f"{status}\n", ended.stderr
    assert saved(program, "child") == [(reason, 7)]


@pytest.mark.every_python
@pytest.mark.parametrize("parent", ["parent", "none"])
@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_a_worker_saves_when_it_ends(tmp_path: Path, method: str, parent: str) -> None:
    """Once, also where workers call no atexit functions, or not those that the parent has registered."""
    program = Program(tmp_path, WORKERS)
    ended = program.run(method, parent)
    assert ended.stdout == "0\n", ended.stderr
    assert saved(program, "worker") == [("exit", 7)]
