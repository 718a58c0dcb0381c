"""A run's reports are answered from the runner's process, for as long as there is a runner."""

from __future__ import annotations

import errno
import os
import queue
import socket
import threading
from multiprocessing.connection import Client
from typing import TYPE_CHECKING, Any

import pytest

from lattice_addons.experiments._reports import ReportServer

if TYPE_CHECKING:
    from collections.abc import Iterator

FAR = pytest.mark.parametrize("far", [False, True])


@pytest.fixture
def server(far: bool, monkeypatch: pytest.MonkeyPatch) -> Iterator[ReportServer]:
    """Give a server that gives up what reports less than nothing."""
    # A machine's own name may lead nowhere.
    monkeypatch.setattr(socket, "gethostname", lambda: "localhost")
    made = ReportServer("run", lambda _identity, _step, value: value < 0, far=far)
    yield made
    made.close()


def answer(server: ReportServer, value: float) -> Any:
    """Report a value as a worker does, and give the answer."""
    address, secret = server.address
    with Client(address, authkey=secret) as connection:
        connection.send(("identity", 1.0, value))
        return connection.recv()


@FAR
def test_reports_are_answered_until_the_end(server: ReportServer) -> None:
    """Then nobody listens any more, and no thread of the server is left."""
    assert [answer(server, value) for value in (1.0, -1.0)] == [False, True]
    server.close()
    server._thread.join(60)
    assert not server._thread.is_alive()
    with pytest.raises(OSError):  # noqa: PT011 - which one depends on the kind of address
        answer(server, 1.0)


@pytest.mark.parametrize("far", [False])
def test_too_many_open_files_are_no_end(server: ReportServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that cannot be let in at once is answered when it can: else its run would wait for ever."""
    accept = server._listener.accept
    failed: list[bool] = []
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def fails_once() -> Any:
        if not failed:
            failed.append(True)
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return accept()

    monkeypatch.setattr(server._listener, "accept", fails_once)
    for value in (1.0, -1.0):
        # For the first one the thread waits in the real one already.
        threading.Thread(target=lambda: answers.put(answer(server, value)), daemon=True).start()  # noqa: B023
        assert answers.get(timeout=60) == (value < 0)
    assert failed
