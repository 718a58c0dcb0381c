"""The checkpoint service as a process: how it begins, what it counts, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("uvicorn", reason="the service is of the extra `service`")

from tests.integration.commands import lattice
from tests.integration.objects import Client, wait_until
from tests.integration.ports import free_port
from tests.program import clean_environ

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.services import Server


def test_health_and_counts(server: Server) -> None:
    """Both are there to be read by machines; requests are counted as they are answered."""
    with Client(server) as client:
        see_counts(client)


def see_counts(client: Client) -> None:
    """Ask for a few things, and read the counts of them."""
    assert json.loads(client.ask("GET", "/healthz")[1])["status"] == "ok"
    client.put("key", b"12345")
    client.get("key")
    client.get("none")
    status, body, headers = client.ask("GET", "/metrics")
    assert (status, headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    lines = dict(line.rsplit(" ", 1) for line in body.decode().splitlines() if not line.startswith("#"))
    assert lines['lattice_requests_total{method="PUT",status="201"}'] == "1"
    assert lines['lattice_requests_total{method="GET",status="404"}'] == "1"
    assert lines['lattice_received_bytes_total{method="PUT"}'] == "5"
    assert int(lines['lattice_sent_bytes_total{method="GET"}']) > 5
    assert lines['lattice_request_seconds_count{method="PUT"}'] == "1"


def test_sigterm_lets_what_was_begun_end(server: Server) -> None:
    """No new connection; the write that had begun is stored, and answered; the status is 0."""
    data = os.urandom(4_000_000)
    client = Client(server)
    with client.begin(data, len(data)) as slow:
        slow.sendall(data[:2_000_000])
        wait_until(client.path.exists, "the first bytes arrive")
        os.kill(server.pid, signal.SIGTERM)
        wait_until(lambda: refused(server), "no new connection")
        time.sleep(0.5)  # it would have ended, had it not been waiting for this
        slow.sendall(data[2_000_000:])
        assert slow.recv(100).startswith(b"HTTP/1.1 201 ")
    assert server.wait() == 0
    assert (client.path / "key").read_bytes() == data


def test_who_begins_and_goes_on_no_more_does_not_keep_it_from_ending(stopped_server: Server) -> None:
    """The time that is given for it is the longest that it takes."""
    server = stopped_server
    server.options = ["--drain", "1"]
    server.start()
    client = Client(server)
    with client.begin(b"", 4_000_000) as silent:
        silent.sendall(bytes(2_000_000))
        wait_until(client.path.exists, "the first bytes arrive")
        os.kill(server.pid, signal.SIGTERM)
        assert server.wait() == 0
    assert [*client.path.iterdir()] == []


def test_a_page_that_is_open_does_not_keep_it_from_ending(server: Server) -> None:
    """What would be sent events for ever is told that there are no more."""
    with Client(server) as client:
        client.connection.request("GET", "/events")
        events = client.connection.getresponse()
        assert events.headers["content-type"].startswith("text/event-stream")
        os.kill(server.pid, signal.SIGTERM)
        assert events.read() is not None, "it ends as it should"
        assert server.wait() == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [(["--host", "no.such.host.invalid"], "no.such.host"), (["--keyfile", "key.pem"], "--certfile")],
)
def test_what_cannot_be_served_is_said_in_a_line(tmp_path: Path, options: list[str], said: str) -> None:
    """With the status of the error, and no traceback."""
    ended = lattice("serve", "--root", str(tmp_path / "served"), *options)
    assert ended.returncode not in (0, 1)
    assert said in ended.stderr
    assert len(ended.stderr.splitlines()) == 1, ended.stderr


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    """So is what can be done."""
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        ended = lattice("serve", "--root", str(tmp_path / "served"), "--port", str(port))
    assert ended.returncode == 64
    assert f"port {port}" in ended.stderr
    assert "--port" in ended.stderr


def test_without_the_extra_it_says_which(tmp_path: Path) -> None:
    """Starlette is no part of what is always installed."""
    source = "import sys; sys.modules['starlette'] = None; import lattice_addons.cli as c; sys.exit(c.main(['serve']))"
    ended = subprocess.run(
        [sys.executable, "-c", source],
        cwd=tmp_path,
        env=clean_environ(),
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert ended.returncode == 69
    assert "pip install 'lattice-addons[service]'" in ended.stderr


def refused(server: Server) -> bool:
    """Say whether nobody listens any more."""
    try:
        socket.create_connection(("127.0.0.1", server.port), timeout=10).close()
    except OSError:
        return True
    return False
