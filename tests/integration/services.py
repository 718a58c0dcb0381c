"""The checkpoint service itself, as a real process on loopback that tests start, kill and start again.

Every test can ask for these fixtures::

    def test_it(service: Service) -> None:
        service.root                    # "lattice://127.0.0.1:<the proxy's port>/<a folder of this test alone>"
        service.path                    # the folder on this disk that is served as that
        service.options, service.environ, service.config(), service.proxy     # as in `tests.integration.servers`
        service.keys(); service.get("a/b"); service.put("a/b", b"…"); service.remove("a/b")   # around the service

    def test_that(server: Server) -> None:
        server.url                      # "lattice://127.0.0.1:<port>": a service of this test alone
        server.kill(); server.start()   # at the same port, with the same folder
        server.options, server.environ  # of its command line and of its process, from the next start on
"""

from __future__ import annotations

import http.client
import os
import ssl
import subprocess
import sys
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.integration.ports import free_port
from tests.integration.proxy import Proxy
from tests.integration.servers import Place
from tests.program import clean_environ

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Ends with the process that started it, however that ends: its end of the pipe on standard input closes.
_SERVE = """
import os, sys, threading
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
from lattice_addons.cli import main
sys.exit(main(["serve", *sys.argv[1:]]))
"""
_START = 150.0


class Server:
    """A service over a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.options: list[str] = []
        self.environ: dict[str, str] = {}
        self.secure = False
        self.port = free_port()
        self._log = path.with_name(path.name + ".log")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Give its URL."""
        return f"lattice{'s' if self.secure else ''}://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """Give what it has said."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    @property
    def pid(self) -> int:
        """Give its process number."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [sys.executable, "-c", _SERVE, "--root", str(self.path), "--port", str(self.port)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *self.options],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=clean_environ(**self.environ),
            )
        deadline = time.monotonic() + _START
        while not self._answers():
            assert self._process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.03)

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        if self.secure:
            context = ssl._create_unverified_context()  # noqa: S323 - of a certificate that the test made
            connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=10, context=context)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status < 500
        except OSError:
            return False
        finally:
            connection.close()

    def wait(self) -> int:
        """Wait for its end, and give its status."""
        assert self._process is not None
        return self._process.wait(150)

    def kill(self) -> None:
        """End it by SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            with suppress(OSError):
                self._process.stdin.close()  # type: ignore[union-attr]  # it is a pipe
            self._process = None


@dataclass
class Service(Place):
    """A folder of a service, which is a folder on this disk; its methods go around the service."""

    path: Path

    def keys(self, below: str = "") -> list[str]:
        """Give the keys that begin so, sorted."""
        found = (
            os.path.relpath(os.path.join(folder, name), self.path)
            for folder, _, names in os.walk(self.path)
            for name in names
        )
        return sorted(name for name in found if name.startswith(below) and not name.endswith(".tmp"))

    def get(self, key: str) -> bytes | None:
        """Give an object's bytes; None when it is not there."""
        with suppress(FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return (self.path / key).read_bytes()
        return None

    def put(self, key: str, data: bytes) -> None:
        """Store an object, whatever was there."""
        path = self.path / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def remove(self, key: str) -> None:
        """Remove an object."""
        (self.path / key).unlink()


@pytest.fixture
def stopped_server(tmp_path: Path) -> Iterator[Server]:
    """Give a service of this test alone, which is not started yet."""
    pytest.importorskip("uvicorn")
    made = Server(tmp_path / "served")
    try:
        yield made
    finally:
        made.kill()


@pytest.fixture
def server(stopped_server: Server) -> Server:
    """Give a service of this test alone, which is started."""
    stopped_server.start()
    return stopped_server


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Give the service that tests share."""
    pytest.importorskip("uvicorn")
    made = Server(tmp_path_factory.mktemp("service") / "served")
    try:
        made.start()
        yield made
    finally:
        made.kill()


@pytest.fixture
def service(served: Server) -> Iterator[Service]:
    """Give a folder of this test alone in the service that tests share, behind a proxy of its own."""
    proxy = Proxy(served.port)
    name = f"test-{uuid.uuid4().hex[:12]}"
    root = f"lattice://127.0.0.1:{proxy.port}/{name}"
    yield Service(served.port, proxy, root, {}, "fsspec", served.path / name)
    proxy.stop()
