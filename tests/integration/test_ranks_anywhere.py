"""A job of several ranks is killed on some machines and carries on on others, from one instant of a real S3 store."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.integration.proxy import Proxy
from tests.program import Program, finish, impatient

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.integration.servers import Bucket

SOURCE = """
import sys
from lattice_addons import StateManagerGroup

group = StateManagerGroup()
group.register("history")
history = group.get("history") or []
print("found", history[-1:], flush=True)
for line in sys.stdin:
    what, _, step = line.strip().partition(" ")
    if what == "save":
        history = [*history, int(step)]
        group.update("history", history)
        part = group.save(step=int(step)).part
        print("saved", part.attempt, flush=True)
    elif what == "complete":
        group.complete()
        print("completed", flush=True)
    elif what == "status":
        print(" ".join(group.status().problems), flush=True)
"""


class Rank:
    """A process of the job on a machine, which is a spool and a way to the store."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def hear(self) -> str:
        """Give the next line that it prints; all of its errors where it has ended."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        return line or self.process.communicate(timeout=150)[1]

    def tell(self, text: str) -> str:
        """Tell it to do something; give its answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        return self.hear()

    def kill(self) -> str:
        """Kill it; give what it has said."""
        self.process.kill()
        return finish(self.process).stderr


class Job:
    """The job, started again and again, each rank on any machine."""

    def __init__(self, folder: Path, bucket: Bucket) -> None:
        self.program = Program(folder, SOURCE)
        self.bucket = bucket
        self.ways: dict[str, Proxy] = {}
        self.ranks: list[Rank] = []
        self.variables: dict[str, str] = {}
        self._starts = 0

    def way(self, machine: str) -> Proxy:
        """Give the network of a machine."""
        if machine not in self.ways:
            self.ways[machine] = Proxy(self.bucket.port)
        return self.ways[machine]

    def start(self, *machines: str, config: str = "keep=1", named: bool = True) -> list[str]:
        """Start all ranks, each on its machine; give what each finds."""
        self._starts += 1
        for rank, machine in enumerate(machines):
            told = self.bucket.config(f"spool={self.spool(machine)}", "atexit_saving=disabled", config)
            told = told.replace(self.bucket.options["endpoint_url"], self.way(machine).endpoint)
            environ = {
                "RANK": str(rank),
                "WORLD_SIZE": str(len(machines)),
                "LATTICE_CHECKPOINT_CONFIG": told,
            } | ({"LATTICE_RUN_ID": str(self._starts)} if named else {})
            self.ranks.append(
                Rank(self.program.start(environ=self.bucket.environ | environ | self.variables))
            )
        return [rank.hear() for rank in self.ranks]

    def spool(self, machine: str) -> Path:
        """Give the spool of a machine."""
        return self.program.folder / machine

    def save(self, *steps: int) -> None:
        """Have all ranks save these steps."""
        for step in steps:
            for rank in self.ranks:
                assert rank.tell(f"save {step}").startswith("saved"), step

    def kill(self) -> str:
        """Kill all ranks; give what they have said."""
        told = "".join(rank.kill() for rank in self.ranks)
        self.ranks.clear()
        return told

    def switch_off(self, machine: str) -> None:
        """Kill a machine's uploader, and cut its network off."""
        self.way(machine).stop()
        for record in self.spool(machine).glob("*/uploader.json"):
            os.kill(json.loads(record.read_text(encoding="utf-8"))["pid"], signal.SIGKILL)

    def there(self, rank: int) -> list[int]:
        """Give the numbers of a rank's checkpoints in the store."""
        keys = self.bucket.keys(f"program/rank-{rank:05d}/checkpoints/")
        return [int(key[-17:-5]) for key in keys]

    def until_sent(self, rank: int, newest: int) -> None:
        """Wait until a rank's checkpoint is in the store."""
        until(lambda: newest in self.there(rank))

    def until_free(self, *ranks: int) -> None:
        """Wait until the uploaders have given back what these ranks had: who starts them before that is refused."""
        for rank in ranks:
            until(lambda folder=f"program/rank-{rank:05d}/claims/": not self.bucket.keys(folder))  # type: ignore[misc]

    def close(self) -> None:
        """End all there is."""
        self.kill()
        for machine in self.ways:
            try:
                self.switch_off(machine)
            except (OSError, ValueError, KeyError):
                continue


@pytest.fixture
def job(tmp_path: Path, s3: Bucket) -> Iterator[Job]:
    """Give the job; at the end nothing of it runs any more."""
    made = Job(tmp_path, s3)
    yield made
    made.close()


def until(true: Callable[[], bool], seconds: float = 180) -> None:
    """Wait for something."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_killed_and_started_on_other_machines(job: Job) -> None:
    """All ranks carry on from one step of one history, whichever machines they are on, with few requests."""
    assert job.start("a", "b") == ["found []"] * 2
    job.save(1, 2, 3)
    for rank in (0, 1):
        job.until_sent(rank, 3)
    job.kill()
    job.until_free(0, 1)
    assert job.start("d", "a") == ["found [3]"] * 2
    asked = [f"{each.kind} {each.path}" for each in job.way("d").requests if "claims" not in each.path]
    made = next(index for index, each in enumerate(asked) if each.startswith("put") and "attempts" in each)
    kinds = [each.partition(" ")[0] for each in asked[:made]]
    # At most the job, the attempts, the record of the last one, and the newest manifest of each rank.
    assert kinds.count("get") <= 3, asked
    assert kinds.count("list") <= 3, asked
    assert {rank.tell("save 4") for rank in job.ranks} == {"saved 2"}


def test_ranks_that_no_launcher_names(job: Job) -> None:
    """Each has a spool of its own on one host: it is not in the other's, and is alive all the same."""
    job.start("one", "two", named=False)
    job.save(1, 2)
    for rank in (0, 1):
        job.until_sent(rank, 2)
    job.kill()
    job.until_free(0, 1)
    assert job.start("two", "one", named=False) == ["found [2]"] * 2


def test_rank_whose_upload_lags(job: Job) -> None:
    """What one rank has not sent is passed over, and who lacks it is named; the other keeps what is needed instead."""
    job.start("a", "b")
    job.save(1)
    for rank in (0, 1):
        job.until_sent(rank, 1)
    job.way("b").stop()
    job.save(2, 3, 4)
    job.until_sent(0, 4)
    # Rank 0 keeps one checkpoint, and all that the job needs.
    assert job.there(0) == [1, 2, 3, 4]
    job.kill()
    job.switch_off("b")
    job.until_free(0)
    assert job.start("c", "d") == ["found [1]"] * 2
    told = job.kill()
    assert told.count("step 4 is not complete: rank 1 lacks it; all carry on from step 1") == 1, told


def test_ranks_of_one_machine_keep_what_is_not_sent(job: Job) -> None:
    """They see each other's spool; and yet none deletes in the store what is needed while another's is not there."""
    job.start("a", "a")
    job.save(1)
    for rank in (0, 1):
        job.until_sent(rank, 1)
    job.way("a").fail(403, "put", path="rank-00001/checkpoints")
    job.save(2, 3)
    job.until_sent(0, 3)
    time.sleep(1)
    job.save(4)
    job.until_sent(0, 4)
    assert job.there(1) == [1]
    assert 1 in job.there(0)
    job.kill()
    job.switch_off("a")
    assert job.start("c", "d") == ["found [1]"] * 2


def test_offline_ranks_are_refused(job: Job) -> None:
    """Where the store does not answer, ranks cannot agree: whatever offline= says, none goes on by itself."""
    job.start("a", "a")
    job.save(1)
    for rank in (0, 1):
        job.until_sent(rank, 1)
    job.kill()
    job.way("a").stop()
    job.variables = impatient(job.program.folder)
    for refused in job.start("a", "a", config="offline=allow"):
        assert "UnreachableError" in refused
        assert "the ranks of a job agree by way of the store" in refused
    job.kill()
    job.variables = {}
    job.way("a").start()
    assert job.start("a", "a", config="offline=allow") == ["found [1]"] * 2


def test_ranks_that_are_done_at_different_times(job: Job) -> None:
    """One that is done early goes back with the others when they are killed; only all together begin afresh."""
    job.start("a", "b")
    job.save(1)
    assert job.ranks[0].tell("complete") == "completed"
    assert job.ranks[1].tell("save 2").startswith("saved")
    job.until_sent(0, 2)
    job.until_sent(1, 2)
    job.kill()
    job.until_free(0, 1)
    assert job.start("c", "d") == ["found [1]"] * 2
    job.save(2)
    job.ranks[1].tell("save 3")
    for rank in job.ranks:
        assert rank.tell("complete") == "completed"
    job.until_sent(0, 4)
    job.until_sent(1, 5)
    job.kill()
    job.until_free(0, 1)
    assert job.start("a", "b") == ["found []"] * 2
