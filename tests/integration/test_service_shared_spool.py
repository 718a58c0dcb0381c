"""Programs of one machine share a spool and its uploader, and each shows a token of its own."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("uvicorn", reason="needs the extra `service`")

from lattice_addons.service import Tokens
from lattice_addons.storage import LocalStore, spools
from tests.faults.uploading import eventually, uploader_of
from tests.integration.services import Server
from tests.program import Program, clean_environ, finish, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SOURCE = """
import sys
from lattice_addons import StateManagerGroup
group = StateManagerGroup()
group.register("n")
n = group.get("n") or 0
print("begun", flush=True)
for line in sys.stdin:
    n += 1
    group.update("n", n)
    group.save()
    print("saved", flush=True)
"""


class Machine:
    """A machine and a service that asks for tokens."""

    def __init__(self, folder: Path) -> None:
        self.server = Server(folder / "served")
        self.server.path.mkdir()
        self.server.options = ["--require-tokens"]
        self.server.start()
        self.tokens = Tokens(LocalStore(str(self.server.path)))
        self.program = Program(folder, SOURCE)
        self.state = folder / "spools"

    def token(self, job: str) -> str:
        """Make a token that opens one job."""
        return self.tokens.create(job, "write", exact=True)[1]

    def environ(self, job: str, token: str) -> dict[str, str]:
        """Give the environment of a job's programs and commands."""
        config = f"job_id={job},root={self.server.url},spool={self.state},linger=forever,grace=60"
        return {
            "LATTICE_CHECKPOINT_TYPE": "fsspec",
            "LATTICE_CHECKPOINT_CONFIG": config,
            "LATTICE_CHECKPOINT_TOKEN": token,
        }

    def start(self, job: str, token: str) -> subprocess.Popen[str]:
        """Start a job's program."""
        process = self.program.start(environ=self.environ(job, token))
        wait_for(process, "begun")
        return process

    def numbers(self, job: str) -> list[str]:
        """Give what has arrived."""
        return LocalStore(str(self.server.path)).list(f"{job}/rank-00000/checkpoints")

    def opens(self, job: str, token: str) -> bool:
        """Say whether a token is good."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        connection.request("GET", f"/v1/jobs/{job}/objects", headers={"Authorization": f"Bearer {token}"})
        status = connection.getresponse().status
        connection.close()
        return status == 200


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """Give a machine; at the end nothing of it runs any more."""
    made = Machine(tmp_path)
    try:
        yield made
    finally:
        for spool in spools(str(made.state)) if made.state.exists() else []:
            if pid := uploader_of(spool):
                os.kill(pid, signal.SIGKILL)
        made.server.kill()


def ends_well(process: subprocess.Popen[str]) -> None:
    """See a program to its end, which has nothing to say but for how long it waits for what it has saved last."""
    ended = finish(process)
    said = [line for line in ended.stderr.splitlines() if not line.startswith("lattice: waiting up to")]
    assert (ended.returncode, said) == (0, [])


def save(process: subprocess.Popen[str]) -> None:
    """Have a program make a save."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    wait_for(process, "saved")


def test_two_jobs_with_a_token_each(machine: Machine) -> None:
    """What each saves arrives, though one uploader sends it, and it was the other one's program that started it."""
    one, two = machine.token("one"), machine.token("two")
    first = machine.start("one", one)
    save(first)
    second = machine.start("two", two)
    save(second)
    eventually(lambda: machine.numbers("one") and machine.numbers("two"))
    for process in (second, first):
        ends_well(process)
    # Neither token opens the other job.
    assert not machine.opens("two", one)


@pytest.mark.parametrize("how", ["program", "command"])
def test_a_token_is_replaced(machine: Machine, how: str) -> None:
    """It is revoked in mid-run: that is said once, nothing is lost, and who comes with a new one sends it."""
    old = machine.token("job")
    process = machine.start("job", old)
    save(process)
    eventually(lambda: machine.numbers("job"))
    machine.tokens.revoke(old.split("-")[1])
    eventually(lambda: not machine.opens("job", old))
    save(process)
    ended = finish(process)
    assert ended.returncode == 0
    assert ended.stderr.count("not yet in") == 1, ended.stderr
    before = machine.numbers("job")
    new = machine.token("job")
    eventually(lambda: machine.opens("job", new))
    # The uploader lives on, with the old one.
    if how == "command":
        command = [sys.executable, "-m", "lattice_addons.cli", "upload"]
        environ = clean_environ(**machine.environ("job", new))
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=150, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    else:
        ends_well(machine.start("job", new))
    eventually(lambda: machine.numbers("job")[-1] > before[-1])
