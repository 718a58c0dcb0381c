"""The checkpoint service when it is killed, when its disk is full, and when everybody comes at once."""

from __future__ import annotations

import http.client
import json
import os
import random
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from blake3 import blake3

pytest.importorskip("uvicorn", reason="the service is of the extra `service`")

from lattice_addons.storage import RemoteStore
from tests.faults.injection import mounted
from tests.program import clean_environ

if TYPE_CHECKING:
    from tests.integration.services import Server

OBJECTS = "/v1/jobs/job/objects"


def put(connection: http.client.HTTPConnection, key: str, data: bytes, **headers: str) -> int:
    """Store an object; give the answer's status."""
    told = {"Lattice-Digest": f"blake3={blake3(data).hexdigest()}"} | headers
    connection.request("PUT", f"{OBJECTS}/{key}", data, told)
    answer = connection.getresponse()
    answer.read()
    return answer.status


def get(connection: http.client.HTTPConnection, key: str) -> bytes | None:
    """Read an object; None when it is not there."""
    connection.request("GET", f"{OBJECTS}/{key}")
    answer = connection.getresponse()
    data = answer.read()
    return data if answer.status == 200 else None


@pytest.mark.parametrize("part", range(3))
def test_a_kill_at_each_change_of_the_disk(tmp_path: Path, part: int) -> None:
    """Before the call and after it: what was acknowledged is there, nothing half, and a restart clears the rest away.

    Each part tries its third of them.
    """
    program = Path(__file__).with_name("serving.py")
    command = [sys.executable, str(program), str(tmp_path), str(part), "3"]
    environ = clean_environ(PYTHONPATH=str(program.parents[2]))
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=280, check=False)
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) >= 12


def test_kills_at_random_among_many_writers(server: Server) -> None:
    """Four times: every write that was acknowledged is there after the restart, whole; none is there by half."""
    acknowledged: dict[str, bytes] = {}
    asked: dict[str, bytes] = {}
    chance = random.Random(5)
    for life in range(4):
        ended = threading.Event()

        def write(number: int, life: int = life, ended: threading.Event = ended) -> None:
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
            for count in range(10_000):
                if ended.is_set():
                    break
                key, data = (
                    f"rank-{number:05d}/{life}-{count}",
                    os.urandom(200_000 if count % 3 else 2_500_000),
                )
                asked[key] = data
                try:
                    status = put(connection, key, data, **{"If-None-Match": "*"})
                except (OSError, http.client.HTTPException):
                    break
                assert status == 201
                acknowledged[key] = data
            connection.close()

        with ThreadPoolExecutor(6) as threads:
            before = len(acknowledged)
            writers = [threads.submit(write, number) for number in range(6)]
            until(lambda before=before: len(acknowledged) >= before + 8)
            time.sleep(chance.uniform(0, 0.2))
            server.kill()
            ended.set()
        for writer in writers:
            writer.result()
        server.start()
    until(lambda: not [*server.path.rglob("*.tmp")])
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    for key, data in asked.items():
        stored = get(connection, key)
        assert stored == data or (stored is None and key not in acknowledged)
    connection.close()
    assert len(acknowledged) >= 32


@pytest.mark.mounts
def test_a_full_disk_takes_nothing_and_gives_all(tmp_path: Path) -> None:
    """Writes are refused with the reason; what is there is read and can be removed, and then it goes on."""
    source = """
import http.client, json, socket, subprocess, time
from blake3 import blake3
with socket.socket() as opened:
    opened.bind(("127.0.0.1", 0)); port = opened.getsockname()[1]
served = subprocess.Popen(
    [sys.executable, "-m", "lattice_addons.cli", "serve", "--root", sys.argv[1] + "/store", "--port", str(port)],
    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
)
served.stdout.readline()
connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
def ask(method, key, data=None):
    headers = {"Lattice-Digest": "blake3=" + blake3(data).hexdigest()} if data is not None else {}
    connection.request(method, f"/v1/jobs/job/objects/{key}", data, headers)
    answer = connection.getresponse()
    return answer.status, answer.read()
try:
    print(ask("PUT", "one", b"1" * 300_000)[0])
    print(ask("PUT", "two", b"2" * 9_000_000)[0])
    with open(sys.argv[1] + "/filler", "wb", buffering=0) as filler:
        try:
            while True: filler.write(bytes(4096))
        except OSError: pass
    for method, key, size in (("PUT", "three", 100_000), ("PUT", "one", 400_000), ("PUT", "job/four", 3_000_000)):
        status, body = ask(method, key, b"x" * size)
        told = json.loads(body)
        print(status, told["type"], told["errno"], "full" in told["detail"], sys.argv[1] in told["detail"])
    print(ask("GET", "one") == (200, b"1" * 300_000), ask("GET", "none")[0])
    connection.request("GET", "/healthz"); print(connection.getresponse().read()[:14].decode())
    print(*below(sys.argv[1] + "/store/job"))
    print(ask("DELETE", "one")[0], ask("PUT", "three", b"3" * 100_000)[0], ask("GET", "three")[1] == b"3" * 100_000)
finally:
    served.terminate()
    served.communicate()
"""
    lines = mounted("size=4m", source, tmp_path)
    assert lines[:2] == ["201", "507"], "the second was larger than the disk"
    assert lines[2:5] == ["507 StoreError 28 True False"] * 3
    assert lines[5:] == ["True 404", '{"status":"ok"', "one", "204 201 True"]


def test_two_hundred_programs_at_once(server: Server) -> None:
    """None is lost, and none has to wait until the others are done."""
    clients, rounds = 200, 4
    done = dict.fromkeys(range(clients), 0)
    behind: list[int] = []
    ready = threading.Barrier(clients)

    def save(number: int) -> None:
        store = RemoteStore(server.url, patience=120.0)
        folder = f"job-{number:03d}/rank-00000"
        store.warm()
        ready.wait()
        store.put(f"{folder}/lease.json", b"{}")
        for count in range(rounds):
            store.put(f"{folder}/packs/{count}.pack", bytes([number]) * 100_000)
            store.put(f"{folder}/checkpoints/{count:012d}.json", b'{"number": %d}' % count)
            done[number] += 1
            if done[number] == rounds:
                behind.append(min(done.values()))

    with ThreadPoolExecutor(clients) as threads:
        list(threads.map(save, range(clients)))
    # When the first one was through, each of the others had saved something.
    assert behind[0] >= 1, behind
    for number in range(clients):
        folder = server.path / f"job-{number:03d}/rank-00000"
        for count in range(rounds):
            assert (folder / f"packs/{count}.pack").read_bytes() == bytes([number]) * 100_000
            assert json.loads((folder / f"checkpoints/{count:012d}.json").read_text()) == {"number": count}
    assert not [*server.path.rglob("*.tmp")]


def test_an_object_of_any_size_takes_no_memory(server: Server) -> None:
    """A quarter of a gigabyte up, and down to one who reads slowly: a few pieces of it are in memory, and no more."""
    piece, count = os.urandom(1 << 20), 256
    digest = blake3()
    for _ in range(count):
        digest.update(piece)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    put(connection, "small", piece)
    get(connection, "small")
    before = memory(server.pid)
    headers = {"Lattice-Digest": f"blake3={digest.hexdigest()}", "Content-Length": str(count << 20)}
    connection.request("PUT", f"{OBJECTS}/large", (piece for _ in range(count)), headers)
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 201
    connection.request("GET", f"{OBJECTS}/large")
    answer = connection.getresponse()
    there = blake3()
    while data := answer.read(8 << 20):
        there.update(data)
        time.sleep(0.005)
    connection.close()
    assert there.digest() == digest.digest()
    # The highest it ever was.
    assert memory(server.pid) - before < 64 << 20


def memory(pid: int) -> int:
    """Give the most bytes that a process has had in memory."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


def until(condition: object) -> None:
    """Wait for something that will be so."""
    deadline = time.monotonic() + 120
    while not condition():  # type: ignore[operator]  # it is a function
        assert time.monotonic() < deadline
        time.sleep(0.01)
