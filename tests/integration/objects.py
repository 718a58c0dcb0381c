"""Connections of tests to a checkpoint service, on which they say byte for byte what they ask for."""

from __future__ import annotations

import http.client
import json
import socket
import time
import uuid
from typing import TYPE_CHECKING, Any

from blake3 import blake3

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.services import Server

Answer = tuple[int, bytes, http.client.HTTPMessage]


class Client:
    """One connection to a service, and a job of its own there."""

    def __init__(self, server: Server, job: str = "") -> None:
        self.server = server
        self.job = job or f"job-{uuid.uuid4().hex[:12]}"
        self.objects = f"/v1/jobs/{self.job}/objects"
        self.path = server.path / self.job
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)

    def __enter__(self) -> Client:  # noqa: PYI034 - Self is not in typing before 3.11
        """Give itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self.connection.close()

    def ask(self, method: str, path: str, body: bytes | None = None, /, **headers: str) -> Answer:
        """Give the status, the body and the headers of the answer."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request(method, path, body, named)
        answer = self.connection.getresponse()
        return answer.status, answer.read(), answer.headers

    def put(self, key: str, data: bytes, **headers: str) -> Answer:
        """Store an object of the job."""
        return self.ask("PUT", f"{self.objects}/{key}", data, Lattice_Digest=digest(data), **headers)

    def get(self, key: str, **headers: str) -> Answer:
        """Read one."""
        return self.ask("GET", f"{self.objects}/{key}", **headers)

    def listing(self, path: str = "") -> Any:
        """Give the objects that a listing names."""
        return json.loads(self.ask("GET", path or self.objects)[1])["objects"]

    def begin(self, data: bytes, length: int, framing: bytes = b"") -> socket.socket:
        """Send the head of a write to the key `key`, on another connection."""
        begun = socket.create_connection(("127.0.0.1", self.server.port), timeout=60)
        framing = framing or b"Content-Length: %d" % length
        head = f"PUT {self.objects}/key HTTP/1.1\r\nHost: 127.0.0.1\r\nLattice-Digest: {digest(data)}\r\n"
        begun.sendall(head.encode() + framing + b"\r\n\r\n")
        return begun


def digest(data: bytes) -> str:
    """Give the header's value for these bytes."""
    return f"blake3={blake3(data).hexdigest()}"


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Wait for something that will be so."""
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)
