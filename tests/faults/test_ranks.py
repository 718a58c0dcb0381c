"""Whatever rank is killed whenever, all ranks carry on from one instant: the newest that every one of them has."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.ranks import WORLD, link
from tests.program import Program, clean_environ, finish

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

ROUNDS = int(os.environ.get("RANKS_ROUNDS", "100"))
SEED = int(os.environ.get("RANKS_SEED", "20260304"))


def play(root: Path, rounds: int, seed: int) -> Iterator[dict[str, Any]]:
    """Have rounds played by a launcher of its own, which forks nothing of this process."""
    command = [sys.executable, "-m", "tests.faults.ranks", str(root), str(rounds), str(seed)]
    done = subprocess.run(
        command, capture_output=True, text=True, env=clean_environ(), timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "ended by" not in done.stderr, done.stderr
    yield from map(json.loads, done.stdout.splitlines())


def test_killed_ranks_find_one_instant(tmp_path: Path) -> None:
    """Eight ranks, one killed at random and then all: each finds its own part of the newest complete instant."""
    chains = [(0, "-")]
    anybody = 0
    for played in play(tmp_path, ROUNDS, SEED):
        found = {(step, digest) for step, digest, _ in played["found"].values()}
        steps = {step for step, _ in found}
        assert len(found) <= 1, played
        assert steps <= {played["expected"]}, played
        # One history: whatever was found is a link of the chain that began where the round before did.
        step, digest = next((link for link in reversed(chains) if link[0] == played["expected"]), (-1, ""))
        assert step == played["expected"], played
        assert found <= {(step, digest)}, played
        assert all(str(owner) == rank for rank, (_, _, owner) in played["found"].items()), played
        anybody += len(played["found"])
        # What was acknowledged on every rank is not lost: the next round must find it, or something newer. Only where
        # nobody names the start, ranks that come after the death of all before them cannot know that they are late.
        chains = [(step, digest)]
        while chains[-1][0] < max(played["begun"]):
            step, digest = chains[-1]
            chains.append((step + 1, link("" if digest == "-" else digest, played["round"], step)))
        if played["run"] is not None:
            chains = [(step, digest) for step, digest in chains if step >= min(played["saved"])]
    assert anybody > ROUNDS


PROGRAM = """
    import os, sys
    from lattice_addons import StateManagerGroup

    group = StateManagerGroup()
    group.register("n")
    print("found", group.get("n"), flush=True)
    for line in sys.stdin:
        what, _, n = line.strip().partition(" ")
        if what == "save":
            group.update("n", int(n))
            print("number", group.save(step=int(n)).part.attempt, flush=True)
        elif what == "status":
            print("; ".join(group.status().problems), flush=True)
"""
CONFIG = "atexit_saving=disabled,signals=none"


class Job:
    """The ranks of a program, each a process that does what it is told."""

    def __init__(self, program: Program, world: int, **environ: str) -> None:
        self.program = program
        self.world = world
        self._environ = environ
        self.ranks: dict[int, subprocess.Popen[str]] = {}

    def start(self, *ranks: int) -> None:
        """Start ranks, all at once."""
        for rank in ranks:
            environ: Mapping[str, str] = {"RANK": str(rank), "WORLD_SIZE": str(self.world), **self._environ}
            self.ranks[rank] = self.program.start(config=CONFIG, environ=environ)

    def tell(self, rank: int, text: str) -> str:
        """Tell a rank to do something, and give its answer."""
        process = self.ranks[rank]
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(text + "\n")
        process.stdin.flush()
        return process.stdout.readline().strip()

    def found(self, rank: int) -> str:
        """Give what a rank found at its start."""
        stdout = self.ranks[rank].stdout
        assert stdout is not None
        return stdout.readline().strip()

    def kill(self) -> str:
        """Kill all ranks; give what they wrote to stderr."""
        for process in self.ranks.values():
            process.send_signal(signal.SIGKILL)
        told = "".join(finish(process).stderr for process in self.ranks.values())
        self.ranks.clear()
        return told


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Callable[..., Job]]:
    """Give a function that prepares a job whose ranks do what they are told."""
    jobs: list[Job] = []
    program = Program(tmp_path, PROGRAM)

    def prepare(world: int, **environ: str) -> Job:
        jobs.append(Job(program, world, **environ))
        return jobs[-1]

    yield prepare
    for job in jobs:
        job.kill()


def test_ranks_that_start_together_are_one_attempt(launch: Callable[..., Job]) -> None:
    """Of those that find none at the same moment one makes it, and the others join: without a word from a launcher."""
    job = launch(WORLD)
    for attempt in (1, 2, 3):
        job.start(*range(WORLD))
        assert {job.found(rank) for rank in range(WORLD)} == {
            "found None" if attempt == 1 else f"found {attempt - 1}"
        }
        assert {job.tell(rank, f"save {attempt}") for rank in range(WORLD)} == {f"number {attempt}"}
        job.kill()


def test_rank_that_dies_before_its_first_save_is_named(launch: Callable[..., Job]) -> None:
    """What the others saved is passed over, and the warning says because of whom."""
    job = launch(3)
    job.start(0, 1, 2)
    assert {job.found(rank) for rank in range(3)} == {"found None"}
    for rank in range(3):
        job.tell(rank, "save 1")
    for rank in (0, 2):
        job.tell(rank, "save 2")
    job.kill()
    job.start(0, 1, 2)
    assert {job.found(rank) for rank in range(3)} == {"found 1"}
    assert "step 2 is not complete: rank 1 lacks it" in job.tell(1, "status")
    told = job.kill()
    assert told.count("step 2 is not complete: rank 1 lacks it; all carry on from step 1") == 1


def test_rank_that_never_starts_is_named(launch: Callable[..., Job]) -> None:
    """The others run on, say so, and begin afresh at the restart."""
    job = launch(3)
    job.start(0, 2)
    assert {job.found(rank) for rank in (0, 2)} == {"found None"}
    assert job.tell(0, "status") == "not started so far: rank 1"
    for rank in (0, 2):
        job.tell(rank, "save 1")
    job.kill()
    job.start(0, 1, 2)
    assert {job.found(rank) for rank in range(3)} == {"found None"}
    assert "step 1 is not complete: rank 1 lacks it; all begin afresh" in job.kill()


def test_rank_that_is_restarted_alone_goes_on(launch: Callable[..., Job]) -> None:
    """Where all others live, it takes its own newest checkpoint and is of their attempt again."""
    job = launch(3)
    job.start(0, 1, 2)
    for rank in range(3):
        job.found(rank)
        job.tell(rank, "save 1")
    job.tell(1, "save 2")
    job.ranks[1].kill()
    finish(job.ranks[1])
    job.start(1)
    assert job.found(1) == "found 2"
    assert job.tell(1, "save 3") == "number 1"
    for rank in (0, 2):
        assert job.tell(rank, "save 3") == "number 1"
    job.kill()
    job.start(0, 1, 2)
    assert {job.found(rank) for rank in range(3)} == {"found 3"}
    job.kill()


def test_rank_whose_start_comes_late_joins_by_the_name_of_the_run(launch: Callable[..., Job]) -> None:
    """With a name for the start, ranks need not live at the same time to be of one attempt."""
    for name, found in (("first", "None"), ("second", "1")):
        for rank in range(3):
            job = launch(3, LATTICE_RUN_ID=name)
            job.start(rank)
            assert job.found(rank) == f"found {found}"
            job.tell(rank, "save 1")
            job.kill()


def test_ranks_that_torchrun_starts_anew_join_no_dead_ones(launch: Callable[..., Job]) -> None:
    """The name that `lattice run` gives stays the same, and a rank may have come too late for the first start."""
    torchrun = {"TORCHELASTIC_RUN_ID": "none", "TORCHELASTIC_MAX_RESTARTS": "3"}
    job = launch(3, LATTICE_RUN_ID="one", **torchrun)
    job.start(0, 1)
    assert {job.found(rank) for rank in (0, 1)} == {"found None"}
    assert {job.tell(rank, "save 1") for rank in (0, 1)} == {"number 1"}
    job.kill()
    # Now the late one is the first.
    for rank in (2, 0, 1):
        job.start(rank)
        assert job.found(rank) == "found None"
    for step in (1, 2):
        assert {job.tell(rank, f"save {step}") for rank in range(3)} == {"number 2"}
    job.kill()
    job = launch(3, LATTICE_RUN_ID="two", **torchrun)
    job.start(0, 1, 2)
    assert {job.found(rank) for rank in range(3)} == {"found 2"}
