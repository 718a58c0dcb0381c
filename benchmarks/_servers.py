"""Servers of objects on this machine, each a process of its own, that end with the benchmark."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks._apart import command, plain_environ
from benchmarks._object_store import CONTROL

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BUCKET", "Server", "moto", "started"]

BUCKET = "benchmark"
#: No one's: the servers are on loopback, and let everybody in.
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "benchmark",
    "AWS_SECRET_ACCESS_KEY": "benchmark",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}
MOTO = """
import logging, sys, threading
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server
logging.disable(logging.CRITICAL)
server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.port, flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True)
class Server:
    """A server of objects; only our own can be told what its link is like."""

    port: int

    @property
    def options(self) -> dict[str, str]:
        """Give the options with which it is reached."""
        return {"endpoint_url": f"http://127.0.0.1:{self.port}"}

    def url(self, prefix: str) -> str:
        """Give the URL of a store there."""
        return f"s3://{BUCKET}/{prefix}"

    def tell(self, **order: float) -> dict[str, int]:
        """Set ``latency`` (seconds) or ``rate`` (bytes a second), ``forget`` counts, ``empty`` it; give the counts."""
        return json.loads(self.ask("POST", CONTROL, json.dumps(order).encode()))  # type: ignore[no-any-return]

    def ask(self, method: str, path: str, body: bytes | memoryview = b"") -> bytes:
        """Make one plain request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status != http.client.OK:
            raise RuntimeError(f"{method} {path}: {answer.status} {answer.reason}")
        return text


@contextmanager
def started() -> Iterator[Server]:
    """Run our own server; the credentials are in the environment meanwhile, and after."""
    with _running(command("_object_store", "serve")) as server:
        yield server


@contextmanager
def moto() -> Iterator[Server]:
    """Run moto's server, which is one that others know."""
    with _running([sys.executable, "-W", "ignore", "-c", MOTO]) as server:
        server.ask("PUT", f"/{BUCKET}")
        yield server


@contextmanager
def _running(arguments: list[str]) -> Iterator[Server]:
    os.environ.update(CREDENTIALS)
    pipe = subprocess.PIPE
    with subprocess.Popen(
        arguments, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=plain_environ(), text=True
    ) as child:
        try:
            line = child.stdout.readline() if child.stdout else ""
            if not line:
                raise RuntimeError("the server did not start: is it installed?")
            yield Server(int(line))
        finally:
            child.kill()
