"""A program that was stopped on one machine carries on on another, from a real S3 server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.integration.proxy import Proxy
from tests.program import Program, clean_environ, finish, impatient, patience, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.integration.servers import Bucket

FOLDER = "program/rank-00000/"
SOURCE = """
import sys
from lattice_addons import StateManagerGroup

group = StateManagerGroup()
for name in ("who", "small", "large", "unasked"):
    group.register(name)
what = sys.argv[1]
if what != "look":
    who = [*(group.get("who") or []), what]
    group.update("who", who)
    if group.get("small") is None:
        group.update("small", bytearray(range(200)) * 1_000)
        group.update("large", bytearray(range(250)) * 10_000)
        group.update("unasked", bytearray(range(240)) * 100_000)
    group.save()
    print("saved", flush=True)
    if len(sys.argv) > 2:
        sys.stdin.readline()
        group.update("who", [*who, "later"])
        group.save()
        print("again", flush=True)
        sys.stdin.readline()
else:
    print(group.get("who"), sum(group.get("small")), sum(group.get("large")), flush=True)
"""
SUMS = f"{sum(range(200)) * 1_000} {sum(range(250)) * 10_000}"


class Machine:
    """A machine: a spool of its own."""

    def __init__(self, program: Program, bucket: Bucket, name: str) -> None:
        self.program = program
        self.bucket = bucket
        self.spool = program.folder / name
        self.endpoint = ""
        self.variables: dict[str, str] = {}

    def environ(self, *more: str) -> dict[str, str]:
        """Give the environment of programs there."""
        config = self.bucket.config(f"spool={self.spool}", *more)
        if self.endpoint:
            config = config.replace(self.bucket.options["endpoint_url"], self.endpoint)
        return self.bucket.environ | {"LATTICE_CHECKPOINT_CONFIG": config} | self.variables

    def start(self, *args: str, config: str = "grace=100") -> subprocess.Popen[str]:
        """Start the program."""
        return self.program.start(*args, environ=self.environ(config))

    def run(self, *args: str, config: str = "grace=100") -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        return finish(self.start(*args, config=config))

    def lattice(self, *args: str) -> subprocess.CompletedProcess[str]:
        """Run a command."""
        command = [sys.executable, "-m", "lattice_addons.cli", *args]
        environ = clean_environ() | self.environ()
        return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def machine(tmp_path: Path, s3: Bucket) -> Iterator[Callable[[str], Machine]]:
    """Give machines by name; at the end nothing of them runs any more."""
    program = Program(tmp_path, SOURCE)
    yield lambda name: Machine(program, s3, name)
    for record in tmp_path.glob("*/*/uploader.json"):
        kill(record)


def kill(record: Path) -> None:
    """Kill the uploader that has written this."""
    try:
        told = json.loads(record.read_text(encoding="utf-8"))
        os.kill(told["pid"], signal.SIGKILL)
    except (OSError, ValueError, KeyError):
        return


def until(true: Callable[[], bool], seconds: float = 180) -> None:
    """Wait for something."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def told(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Give what a program has said beside its output, but for how long it waits for the uploader at its end."""
    return [line for line in done.stderr.splitlines() if not line.startswith("lattice: waiting up to")]


def is_free(bucket: Bucket) -> bool:
    """Say whether nobody has a claim."""
    return not bucket.keys(f"{FOLDER}claims/")


def test_it_carries_on_elsewhere_with_few_requests(machine: Callable[[str], Machine], s3: Bucket) -> None:
    """One listing, one manifest, and the ranges of the slots that are asked for; the bytes of others stay there."""
    assert machine("a").run("a").returncode == 0
    until(lambda: is_free(s3))
    s3.proxy.forget()
    b = machine("b")
    # Who waits long for an answer asks once more, or looks once more.
    b.variables = patience(b.program.folder, 150)
    done = b.run("look")
    assert done.stdout == f"['a'] {SUMS}\n", done.stderr
    assert told(done) == []
    asked = [f"{each.kind} {each.path}" for each in s3.proxy.requests if "claims" not in each.path]
    assert [each for each in asked if each.startswith("list ")] == [
        f"list /{s3.name}?list-type=2&prefix=prefix%2Fprogram%2F&encoding-type=url"
    ]
    asked = [each for each in asked if each.startswith("get")]
    assert sum("/checkpoints/" in each for each in asked) == 1
    assert sum("/packs/" in each for each in asked) == 2
    cached = sum(path.stat().st_size for path in machine("b").spool.rglob("cache/**/*") if path.is_file())
    assert cached < 20_000_000


def test_killed_and_started_elsewhere(machine: Callable[[str], Machine], s3: Bucket) -> None:
    """What was committed is sent though the program was killed; then, and not before, another machine goes on."""
    with machine("a").start("a", "wait") as process:
        wait_for(process, "saved")
        refused = machine("b").run("look")
        assert f"is written by process {process.pid} on host" in refused.stderr
        assert refused.returncode == 1
        process.kill()
    until(lambda: is_free(s3))
    done = machine("b").run("b")
    assert (done.returncode, told(done)) == (0, [])
    until(lambda: is_free(s3))
    # The spool of the first machine is behind by now: it takes over what is there.
    back = machine("a").run("look")
    assert back.stdout.startswith("['a', 'b'] "), back.stderr


def test_a_dead_machine_is_taken_over(machine: Callable[[str], Machine], s3: Bucket) -> None:
    """Its claim stays, and nobody renews it: here the system knows that its processes are dead."""
    with machine("a").start("a", "wait") as process:
        wait_for(process, "saved")
        until(lambda: bool(s3.keys(f"{FOLDER}checkpoints/")))
        # First the uploader: it would give the claim back as soon as the program is dead.
        kill(next(machine("a").spool.glob("*/uploader.json")))
        process.kill()
    assert not is_free(s3)
    done = machine("b").run("look")
    assert done.stdout.startswith("['a'] "), done.stderr


def test_it_went_on_in_two_places(machine: Callable[[str], Machine], s3: Bucket) -> None:
    """One loses its network and saves, another goes on: both lines stay, a warning names them, and one is chosen."""
    a, b = machine("a"), machine("b")
    way = Proxy(s3.port)
    a.endpoint = way.endpoint
    try:
        with a.start("a", "wait") as process:
            wait_for(process, "saved")
            until(lambda: bool(s3.keys(f"{FOLDER}checkpoints/")))
            way.stop()
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
            wait_for(process, "again")
            process.kill()
            kill(next(a.spool.glob("*/uploader.json")))
        assert b.run("b").returncode == 0
        until(lambda: is_free(s3))
        way.start()
        back = a.run("back")
        assert back.returncode == 0, back.stderr
        [warning] = told(back)
        assert "went on in two places" in warning
        assert "`lattice choose program 1`" in warning
        until(lambda: is_free(s3))
        lines = json.loads(a.lattice("choose", "program", "--json").stdout)
        assert [line["line"] for line in lines] == ["remote", "1"]
        chosen = a.lattice("choose", "program", "1")
        assert "line 1 goes on, as checkpoint" in chosen.stdout, chosen.stderr
        until(lambda: is_free(s3))
        done = b.run("look")
        assert done.stdout == f"['a', 'later'] {SUMS}\n", done.stderr
    finally:
        way.stop()


def test_offline(machine: Callable[[str], Machine], s3: Bucket) -> None:
    """Without an answer it does not start, and says so; allowed to, it goes on from the spool, and sends later."""
    a = machine("a")
    assert a.run("a").returncode == 0
    until(lambda: is_free(s3))
    s3.proxy.stop()
    a.variables = impatient(a.program.folder)
    refused = a.run("b")
    a.variables = {}
    assert refused.returncode == 1
    assert "UnreachableError" in refused.stderr
    with a.start("b", "wait", config="grace=100,offline=allow") as process:
        wait_for(process, "saved")
        where = json.loads(a.lattice("list", "--json").stdout or "null")
        s3.proxy.start()
        process.communicate("\n\n", timeout=150)
        assert process.returncode == 0
    until(lambda: is_free(s3))
    assert where is None or "local" in where[0]["where"].values()
    assert machine("c").run("look").stdout.startswith("['a', 'b', 'later'] ")


def test_where_checkpoints_are(machine: Callable[[str], Machine], s3: Bucket) -> None:
    """Asked from any machine, the list says what is in the store; and names that bucket."""
    assert machine("a").run("a").returncode == 0
    until(lambda: is_free(s3))
    [row] = json.loads(machine("c").lattice("list", "--json").stdout)
    assert set(row["where"].values()) == {"remote"}
    assert row["aside"] == []
    told = machine("c").lattice("list").stdout
    assert "remote" in told
    assert s3.root in told
