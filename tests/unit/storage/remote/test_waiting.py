"""Who begins waits for a store where nobody answers yet, and says so once; everybody else is told at once."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from lattice_addons.errors import UnreachableError
from lattice_addons.storage.remote import RemoteStore, waiting
from lattice_addons.storage.remote._patience import all_of
from lattice_addons.storage.remote._waiting import waits
from tests.program import Program, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.integration.proxy import Proxy
    from tests.integration.servers import Bucket, Folder
    from tests.integration.services import Service


@pytest.fixture
def late(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[Proxy], None]]:
    """Give what stops a server until a moment after somebody has said that it is waited for."""
    begun: list[threading.Thread] = []

    def come_late(proxy: Proxy) -> None:
        def start() -> None:
            deadline = time.monotonic() + 120
            while not caplog.records and time.monotonic() < deadline:
                time.sleep(0.02)
            time.sleep(0.1)
            proxy.start()

        caplog.clear()
        proxy.stop()
        begun.append(threading.Thread(target=start))
        begun[-1].start()

    yield come_late
    for thread in begun:
        thread.join()


def test_who_begins_waits(
    service: Service, late: Callable[[Proxy], None], caplog: pytest.LogCaptureFixture
) -> None:
    """Also with several requests at once; one line for all says what for."""
    store = RemoteStore(service.root)
    for number in range(3):
        store.put(f"job/{number}", b"x")
    late(service.proxy)
    with waiting():
        assert store.fetch([(f"job/{number}", 0, 1) for number in range(3)]) == [b"x"] * 3
        assert store.list() == ["job/0", "job/1", "job/2"]
    [record] = caplog.records
    assert record.levelname == "WARNING"
    assert record.message.startswith("127.0.0.1:")
    assert record.message.endswith("Connection refused): waiting up to 30 s for it")


def test_nobody_else_does(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    """It is asked for again after moments, which may be a connection that was lost; and that is what is told."""
    store = RemoteStore(service.root)
    service.proxy.stop()
    with waiting(), waiting(False), pytest.raises(UnreachableError, match="tried several times: see"):
        store.list()
    with pytest.raises(UnreachableError, match="tried several times: see"):
        store.read("job/1")
    assert caplog.records == []


def test_no_longer_than_any_call(service: Service) -> None:
    """Then it is the error that it always is."""
    service.proxy.stop()
    begun = time.monotonic()
    with waiting(), pytest.raises(UnreachableError, match=r"tried for up to 1\.2 s: see"):
        RemoteStore(service.root, patience=1.2).list()
    assert 0.3 < time.monotonic() - begun < 60


def test_other_stores_as_well(s3: Bucket, sftp: Folder, late: Callable[[Proxy], None]) -> None:
    """Those that connect when they are opened, and those that do when they are asked."""
    for place in (s3, sftp):
        late(place.proxy)
        with waiting():
            assert RemoteStore(place.root, place.options).list() == []


def test_it_is_so_for_one_thread_and_for_those_that_work_for_it() -> None:
    """Nobody else's calls wait because somebody begins."""
    assert not waits()
    with waiting():
        assert all_of([waits, waits], 2) == [True, True]
        found: list[bool] = []
        other = threading.Thread(target=lambda: found.append(waits()))
        other.start()
        other.join()
        assert found == [False]
    assert all_of([partial(waits)] * 2, 2) == [False, False]


def test_an_interrupt_ends_those_that_work_for_it() -> None:
    """What has begun ends by itself; what has not begun when Ctrl-C came never does."""
    begun: list[int] = []
    caught, both = threading.Event(), threading.Barrier(2)
    workers: list[threading.Thread] = []

    def work(number: int) -> None:
        begun.append(number)
        workers.append(threading.current_thread())
        both.wait(60)
        if number == 1:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        caught.wait(60)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            all_of([partial(work, number) for number in range(6)], 2)
    finally:
        signal.signal(signal.SIGINT, before)
    caught.set()
    for thread in workers:
        thread.join(60)
    assert sorted(begun) == [0, 1]


SIGNALLED = """
import sys
from lattice_addons import StateManagerGroup

group = StateManagerGroup()
for key in ("small", "large"):
    group.register(key)
if group.get("small") is None:
    group.update("small", 1)
    group.update("large", b"x" * 2_000_000)
else:
    group.update("small", 2)
    print("away", flush=True)
    sys.stdin.readline()
    group.get("large")
"""


def test_a_signal_is_not_kept_waiting(service: Service, tmp_path: Path) -> None:
    """What a value is read from may be away: the save is made here all the same, and in time."""
    program = Program(tmp_path, SIGNALLED)

    def environ(name: str, *more: str) -> dict[str, str]:
        config = service.config(f"spool={tmp_path / name}", *more)
        return service.environ | {"LATTICE_CHECKPOINT_CONFIG": config}

    first = program.run(environ=environ("one", "grace=100"))
    assert (first.returncode, first.stderr) == (0, "")
    # What it leaves to be sent is for nobody: its uploader need not wait for the service to come back.
    second = program.start(environ=environ("another", "grace=10", "linger=1"))
    wait_for(second, "away")
    service.proxy.stop()
    assert second.stdin is not None
    assert second.stderr is not None
    second.stdin.write("\n")
    second.stdin.flush()
    assert "waiting up to" in second.stderr.readline()
    second.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + 150
    while not list((tmp_path / "another").glob("*/store/**/checkpoints/*2.json")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    # It does not wait any longer until that is sent.
    second.send_signal(signal.SIGTERM)
    _, errors = second.communicate(timeout=150)
    assert second.returncode == -signal.SIGTERM
    assert "no save" not in errors


def test_at_the_end_of_a_program_nobody_waits() -> None:
    """Whatever is still asked then."""
    code = """
import atexit
from lattice_addons.storage.remote import waiting
from lattice_addons.storage.remote._waiting import waits
def ask():
    with waiting():
        print(waits())
atexit.register(ask)
ask()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]
