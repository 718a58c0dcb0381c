"""Programs whose state is in a checkpoint service: killed and carried on elsewhere, with the service killed as well."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("uvicorn", reason="needs the extra `service`")

from lattice_addons.service import Tokens
from lattice_addons.storage import LocalStore, Spool, spools
from tests.faults.uploading import FOLDER, eventually, newest, uploader_of
from tests.program import Program, clean_environ, finish, patience, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.integration.services import Server, Service

SOURCE = """
import sys
from lattice_addons import StateManagerGroup
group = StateManagerGroup()
group.register("n")
group.register("data")
n = group.get("n") or 0
data = group.get("data") or bytearray(range(250)) * 8_000
print("begun", n, sum(data), flush=True)
{forbid}
for line in sys.stdin:
    n += 1
    data[n] = (data[n] + 1) % 256
    group.update("n", n)
    group.update("data", data)
    group.save()
    print("saved", flush=True)
"""
# After the start, to ask for a connection is an error.
FORBID = """
def forbidden(*_):
    raise AssertionError("the program used the network")
import socket
import lattice_addons.storage.remote._remote as remote
remote.RemoteStore._files = property(forbidden)
socket.socket.connect = socket.create_connection = socket.getaddrinfo = forbidden
"""
Process = subprocess.Popen[str]


class Machine:
    """A machine: a spool of its own, and programs whose store is a service."""

    def __init__(self, folder: Path, name: str, server: Server, *, forbid: str = "") -> None:
        self.program = Program(folder, SOURCE.format(forbid=forbid))
        self.server = server
        self.state = folder / name
        self.variables: dict[str, str] = {}

    def environ(self, *more: str) -> dict[str, str]:
        """Give the environment of programs there."""
        where = f"ckpt_service_endpoint=127.0.0.1,ckpt_service_port={self.server.port}"
        config = ",".join([where, f"spool={self.state}", *more])
        return {"LATTICE_CHECKPOINT_TYPE": "remote", "LATTICE_CHECKPOINT_CONFIG": config, **self.variables}

    def start(self, *more: str) -> Process:
        """Start the program."""
        return self.program.start(environ=self.environ(*more))

    def run(self, saves: int = 0) -> subprocess.CompletedProcess[str]:
        """Run it to its end, with so many saves."""
        process = self.start("grace=60")
        process.stdin.write("\n" * saves)  # type: ignore[union-attr]  # it is a pipe
        return finish(process, timeout=120)

    def lattice(self, *args: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command."""
        command = [sys.executable, "-m", "lattice_addons.cli", *args]
        environ = clean_environ(**(self.environ() | variables))
        return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120, check=False)

    @property
    def spool(self) -> Spool:
        """Give its spool."""
        [found] = spools(str(self.state))
        return found

    def is_up(self) -> bool:
        """Say whether the newest checkpoint of the spool is in the service."""
        return newest(self.spool.here(FOLDER)) == newest(LocalStore(str(self.server.path)).list()) != 0

    def is_free(self) -> bool:
        """Say whether nobody has a claim there."""
        return not LocalStore(str(self.server.path)).list(f"{FOLDER}claims")

    def kill_uploader(self) -> None:
        """Kill the process that sends what was saved here."""
        pid = uploader_of(self.spool) if self.state.exists() else 0
        if pid:
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def machine(tmp_path: Path, server: Server) -> Iterator[Callable[..., Machine]]:
    """Give machines by name; at the end nothing of them runs any more."""
    made: list[Machine] = []

    def make(name: str, **more: str) -> Machine:
        made.append(Machine(tmp_path, name, server, **more))
        return made[-1]

    yield make
    for each in made:
        each.kill_uploader()


def save(process: Process, times: int = 1) -> None:
    """Have the program make saves."""
    assert process.stdin is not None
    for _ in range(times):
        process.stdin.write("\n")
        process.stdin.flush()
        wait_for(process, "saved")


def total(n: int) -> int:
    """Give the sum of the data after so many saves."""
    return sum(range(250)) * 8_000 + n


def test_killed_and_carried_on_elsewhere(
    machine: Callable[..., Machine], server: Server, tmp_path: Path
) -> None:
    """By SIGKILL, with a token that opens one job; the commands see it from there, and the token is in no text."""
    server.kill()
    server.options = ["--require-tokens"]
    token = Tokens(LocalStore(str(server.path))).create("program", "write")[1]
    server.start()
    a, b = machine("a"), machine("b")
    refused = a.run()
    assert "NoAccessError" in refused.stderr
    assert "LATTICE_CHECKPOINT_TOKEN" in refused.stderr
    a.variables = b.variables = {"LATTICE_CHECKPOINT_TOKEN": token, "LATTICE_LOGLEVEL": "DEBUG"}
    with a.start("grace=60") as process:
        wait_for(process, f"begun 0 {total(0)}")
        save(process, 3)
        process.kill()
        _, said = process.communicate()
    eventually(a.is_free)
    assert a.is_up()
    done = b.run(1)
    assert done.stdout == f"begun 3 {total(3)}\nsaved\n", done.stderr
    eventually(b.is_free)
    told = [said, done.stderr]
    for args in (("list",), ("show", "program"), ("verify",)):
        for where in ([], ["--root", server.url]) if args[0] == "list" else (["--root", server.url],):
            shown = b.lattice(*args, *where)
            assert shown.returncode == 0, (args, where, shown.stderr)
            told += [shown.stdout, shown.stderr]
    assert json.loads(b.lattice("show", "program", "n", "--json").stdout)["value"] == 4
    assert f"{server.url}: all is there" in b.lattice("upload").stdout
    assert (
        "all is there" in b.lattice("upload", "--spool", a.spool.home, LATTICE_CHECKPOINT_TYPE="local").stdout
    )
    files = []
    for path in tmp_path.rglob("*"):
        with suppress(FileNotFoundError):  # of an uploader that ends
            files += [path.read_bytes()] if path.is_file() else []
    assert len(files) > 10
    assert not any(token.encode() in each for each in files)
    assert not any(token in each for each in told)


def test_the_service_dies_in_the_middle(machine: Callable[..., Machine], server: Server) -> None:
    """It is killed again and again while a program saves: no save fails or waits, and in the end all is there."""
    a = machine("a")
    with a.start("grace=60") as process:
        wait_for(process, f"begun 0 {total(0)}")
        for _ in range(4):
            save(process, 2)
            server.kill()
            save(process, 2)
            server.start()
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(150) == 0
        assert process.stderr is not None
        assert "Error" not in process.stderr.read()
    eventually(a.is_free)
    assert a.is_up()
    assert machine("b").run().stdout == f"begun 16 {total(16)}\n"
    assert a.lattice("verify").returncode == 0


@pytest.mark.parametrize("how", ["silent", "dead"])
def test_a_program_ends_within_its_grace(machine: Callable[..., Machine], server: Server, how: str) -> None:
    """After its start it needs no connection, no thread and no name; what was not sent is sent when it can be."""
    a = machine("a", forbid=FORBID)
    with a.start("grace=2") as process:
        wait_for(process, f"begun 0 {total(0)}")
        save(process)
        eventually(a.is_up)
        if how == "silent":
            os.kill(server.pid, signal.SIGSTOP)
        else:
            server.kill()
        try:
            begun = time.monotonic()
            save(process, 3)
            saved = time.monotonic()
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=150)
            # Who waited for an answer would wait for half a minute at least; a slow machine is slow in both.
            assert time.monotonic() - saved < 20 + 10 * (saved - begun)
            assert process.returncode == -signal.SIGTERM
            assert "used the network" not in said
            assert "lattice upload" in said
        finally:
            if how == "silent":
                os.kill(server.pid, signal.SIGCONT)
            else:
                server.start()
    sent = a.lattice("upload")
    assert sent.returncode == 0, sent.stderr
    assert a.is_up()
    assert machine("b").run().stdout == f"begun 4 {total(4)}\n"


def test_who_cannot_be_reached_is_said_at_the_start(machine: Callable[..., Machine], server: Server) -> None:
    """With the address; allowed to, the program begins from its spool."""
    a = machine("a")
    assert a.run(2).returncode == 0
    eventually(a.is_free)
    server.kill()
    # Longer than three tries in a row take on any machine: only after those it says what it waits for.
    a.variables = patience(a.program.folder, 5)
    refused = a.run()
    a.variables = {}
    assert refused.returncode == 1
    assert "UnreachableError" in refused.stderr
    assert f"127.0.0.1:{server.port}" in refused.stderr
    assert refused.stderr.count("waiting up to") == 1
    with a.start("offline=allow", "grace=60") as process:
        wait_for(process, f"begun 2 {total(2)}")
        save(process)
        server.start()
        process.communicate(timeout=150)
    eventually(a.is_free)
    done = machine("b").run()
    assert done.stdout == f"begun 3 {total(3)}\n", done.stderr


def test_a_start_waits_for_a_service_that_is_away(machine: Callable[..., Machine], server: Server) -> None:
    """It comes up a little later, and all is well; one line has said what was waited for."""
    a = machine("a")
    assert a.run(1).returncode == 0
    eventually(a.is_free)
    server.kill()
    a.variables = patience(a.program.folder, 150)
    with a.start("grace=60") as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert f"127.0.0.1:{server.port} does not answer" in line
        assert "waiting up to 150 s for it" in line
        server.start()
        wait_for(process, f"begun 1 {total(1)}")
        _, said = process.communicate("\n", timeout=150)
    assert (process.returncode, "for it" in said) == (0, False)
    eventually(a.is_free)


def test_saves_that_were_refused_are_told_through_a_service(service: Service, tmp_path: Path) -> None:
    """They stand beside the checkpoints there, and whoever looks is told of them."""
    program = Program(
        tmp_path,
        """
        from lattice_addons import StateManagerGroup
        group = StateManagerGroup()
        for name, value in (("good", 1), ("bad", (each for each in "abc"))):
            group.register(name)
            group.update(name, value)
        """,
    )
    done = program.run(environ=service.environ | {"LATTICE_CHECKPOINT_CONFIG": service.config("spool=spool")})
    assert "NotSavedError" in done.stderr
    assert service.get("program/rank-00000/refused.jsonl")
    looked = subprocess.run(
        [sys.executable, "-m", "lattice_addons.cli", "log", "--root", service.root, "--json"],
        env=clean_environ(XDG_STATE_HOME=str(tmp_path / "another")),
        capture_output=True,
        text=True,
        check=True,
    )
    refused, made = json.loads(looked.stdout)
    assert (refused["refused"]["slots"], refused["refused"]["checkpoint"], refused["reason"]) == (
        ["bad"],
        1,
        "exit",
    )
    assert (made["number"], made["refused"]) == (1, None)
