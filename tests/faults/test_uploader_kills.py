"""Whenever the uploader is killed, the remote store is whole, and the next one finishes."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import pytest

from lattice_addons.storage import RemoteStore
from lattice_addons.storage.spool._process import lock
from lattice_addons.storage.spool._turn import turn
from tests.faults.uploading import FOLDER, Filled, broken, eventually, newest, uploader_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.servers import Bucket

_LARGE = 33 << 20  # in parts


@pytest.fixture
def filled(tmp_path: Path, s3: Bucket) -> Iterator[Filled]:
    """Give a spool to fill by hand."""
    spool = Filled(tmp_path, s3)
    yield spool
    spool.end()


@contextmanager
def watched(bucket: Bucket) -> Iterator[None]:
    """Look at a bucket during a block: what was there once is never followed by something older, or nothing."""
    wrong: list[str] = []
    stop = threading.Event()

    def look() -> None:
        seen = 0
        while not stop.wait(0.02):
            now = newest(bucket.keys())
            if now < seen:
                wrong.append(f"checkpoint {seen} was there, and now the newest is {now}")
            seen = max(seen, now)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    assert not wrong


def kill(spool: Filled) -> None:
    """Kill the uploader as nothing can be prepared for."""
    uploader = uploader_of(spool.spool)
    if uploader:
        os.kill(uploader, signal.SIGKILL)
    eventually(lambda: not uploader_of(spool.spool))


def stop(child: int) -> bool:
    """Kill a child, and wait for it; say whether it had not ended by itself."""
    os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) < 0


def reached(filled: Filled, requests: int, child: int) -> bool:
    """Say whether so many requests were made, or the child that makes them has ended."""
    ended = os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    return ended or len(filled.bucket.proxy.requests) >= requests


def test_killed_at_every_request(filled: Filled) -> None:
    """Two checkpoints go up and older ones go; each request in its turn is the last that is made."""
    bucket, proxy = filled.bucket, filled.bucket.proxy
    filled.commit(1, b"one" * 1000)
    os.waitpid(filled.fork(), 0)
    assert filled.settled()
    number = request = 1
    killed = True
    with watched(bucket):
        while killed:
            filled.commit(number + 1, os.urandom(2000), os.urandom(100))
            filled.commit(number + 2, os.urandom(5000))
            filled.drop(number)
            number += 2
            proxy.forget()
            child = filled.fork()
            eventually(partial(reached, filled, request, child))
            killed = stop(child)
            assert not broken(bucket), f"killed at request {request}"
            assert newest(bucket.keys()), f"killed at request {request}"
            os.waitpid(filled.fork(), 0)
            assert filled.settled(), f"after a kill at request {request}"
            assert newest(bucket.keys()) == number
            filled.drop(number - 1)
            request += 1
    # Two packs and one, two manifests, a batch of manifests and one of packs; and what the claim takes.
    assert request > 7


def test_killed_at_random_instants(filled: Filled) -> None:
    """Whatever it is at, nothing that a manifest names is ever missing."""
    rng = random.Random(7)
    bucket = filled.bucket
    bucket.proxy.latency = 0.005
    with watched(bucket):
        for number in range(1, 13):
            filled.commit(
                number, *(rng.randbytes(rng.randrange(1, 300_000)) for _ in range(rng.randrange(3)))
            )
            if number > 2:
                filled.drop(number - 2)
            bucket.proxy.forget()
            child = filled.fork()
            eventually(lambda: bucket.proxy.requests)
            time.sleep(rng.uniform(0, 0.1))
            stop(child)
            assert not broken(bucket)
        filled.begin()
        eventually(filled.settled)
    assert newest(bucket.keys()) == 12


def test_killed_in_the_middle_of_a_large_pack(filled: Filled) -> None:
    """What was sent of it is not sent again."""
    proxy = filled.bucket.proxy
    filled.commit(1, b"x" * _LARGE)
    proxy.bytes_per_second = 40e6
    # However late the kill is, the pack is not whole before it.
    proxy.fail(503, "complete")
    filled.begin()
    # The next of them begins when the answer to one has been written down.
    proxy.wait_for("part", 5)
    kill(filled)
    assert not filled.bucket.keys(f"{FOLDER}packs/")
    proxy.bytes_per_second = None
    proxy.heal()
    known = list(os.scandir(os.path.dirname(filled.spool.parts(f"{FOLDER}packs/x"))))
    assert len(known) == 1
    proxy.forget()
    filled.begin()
    eventually(filled.settled)
    assert proxy.counts().get("part", 0) < 5
    assert proxy.counts().get("begin", 0) == 0
    assert not filled.bucket.uploads()


def test_a_record_that_was_lost_is_made_again(filled: Filled) -> None:
    """Without what is written down of what is up, one listing tells; nothing large is sent again."""
    for number in range(1, 13):
        filled.commit(number, os.urandom(3000))
    filled.begin()
    eventually(filled.settled)
    filled.end()
    os.unlink(filled.spool.uploaded_path(FOLDER))
    filled.commit(13, os.urandom(3000))
    filled.bucket.proxy.forget()
    filled.begin()
    eventually(filled.settled)
    sent = [
        request.path
        for request in filled.bucket.proxy.requests
        if request.kind == "put" and ".pack" in request.path
    ]
    assert len(sent) == 1
    assert not broken(filled.bucket)


def test_what_is_deleted_while_it_waits_is_not_missed(filled: Filled) -> None:
    """A program that saves faster than the link is, and keeps one checkpoint, has a new one there with each turn."""
    filled.commit(1, os.urandom(50_000))
    filled.bucket.proxy.bytes_per_second = 400_000
    filled.begin()
    number, deadline = 1, time.monotonic() + 180
    with watched(filled.bucket):
        while newest(filled.bucket.keys()) < 2:
            assert time.monotonic() < deadline, "it was never there in time"
            number += 1
            filled.commit(number, os.urandom(20_000))
            filled.drop(number - 1)
            time.sleep(0.02)
        assert not broken(filled.bucket)
        filled.bucket.proxy.bytes_per_second = None
        filled.begin()
        eventually(filled.settled)
    assert newest(filled.bucket.keys()) == number


def test_a_pack_that_is_being_written_is_left_alone(filled: Filled) -> None:
    """Half a pack is never sent."""
    with filled.spool.store.create(f"{FOLDER}packs/{'A' * 26}.pack") as writer:
        writer.write(b"half")
        filled.commit(1, b"one")
        filled.begin()
        eventually(lambda: newest(filled.bucket.keys()) == 1)
        writer.write(b", and half")
    assert f"{FOLDER}packs/{'A' * 26}.pack" not in filled.bucket.keys("")
    filled.commit(2)
    filled.begin()
    eventually(filled.settled)
    assert filled.bucket.get(f"{FOLDER}packs/{'A' * 26}.pack") == b"half, and half"


def test_another_machines_checkpoint_is_not_written_over(filled: Filled) -> None:
    """With another checkpoint under its number there, nothing more is sent, and it is said why."""
    theirs = b'{"packs": []}  '
    filled.commit(1, b"one")
    filled.bucket.put(f"{FOLDER}checkpoints/000000000001.json", theirs)
    held = lock(filled.spool.home)
    assert held is not None
    assert not turn(filled.spool, RemoteStore(filled.bucket.root, filled.bucket.options))
    os.close(held)
    assert filled.bucket.get(f"{FOLDER}checkpoints/000000000001.json") == theirs
    trouble = filled.spool.trouble(FOLDER)
    assert trouble is not None
    assert trouble["kind"] == "diverged"
    assert "lattice choose program" in trouble["error"]
    assert filled.spool.store.read(f"{FOLDER}checkpoints/000000000001.json") != theirs


def test_what_was_changed_here_is_changed_there(filled: Filled) -> None:
    """A name that is given anew, and a manifest that is mended, stand in the place of the old one."""
    filled.commit(1, b"one")
    name = f"{FOLDER}kept/000000000001.json"
    filled.spool.store.replace(name, b'"first"')
    filled.begin()
    eventually(filled.settled)
    filled.spool.store.replace(name, b'"second"')
    filled.begin()
    eventually(lambda: filled.bucket.get(name) == b'"second"')
    eventually(filled.settled)


def test_sleeps_when_there_is_nothing_to_do(filled: Filled) -> None:
    """Soon after the last of its work it asks nothing for a second, writes nothing, and computes nothing."""
    filled.commit(1, b"one")
    uploader = filled.begin()
    eventually(filled.settled)

    def sleeps() -> bool:
        filled.bucket.proxy.forget()
        written, computed = os.stat(filled.spool.uploaded_path(FOLDER)).st_mtime_ns, used(uploader)
        time.sleep(1)
        asked = filled.bucket.proxy.counts()
        now = os.stat(filled.spool.uploaded_path(FOLDER)).st_mtime_ns
        return not asked and now == written and used(uploader) <= computed + 2

    eventually(sleeps)


def used(process: int) -> int:
    """Give the processor's time of a process, in hundredths of a second."""
    with open(f"/proc/{process}/stat", encoding="utf-8") as file:
        fields = file.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_memory_is_bounded(filled: Filled) -> None:
    """A large pack takes no more of it than its parts that are under way."""
    filled.commit(1, b"small")
    uploader = filled.begin()
    eventually(filled.settled)
    before = most_memory(uploader)
    filled.commit(2, bytes(112 << 20))
    filled.begin()
    eventually(filled.settled, 120)
    assert most_memory(uploader) - before < 64 << 20


def most_memory(process: int) -> int:
    """Give the bytes that a process has ever had at once."""
    with open(f"/proc/{process}/status", encoding="utf-8") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith("VmHWM"))
