"""What ``docs/advisories.py`` says of a file of requirements is what the index publishes."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.program import clean_environ

if TYPE_CHECKING:
    from collections.abc import Iterator

SCRIPT = Path(__file__).parents[2] / "docs" / "advisories.py"
PUBLISHED = {
    "good": {"info": {"version": "2.0"}, "vulnerabilities": []},
    "taken-back": {
        "info": {"version": "1.0"},
        "vulnerabilities": [{"id": "CVE-1", "withdrawn": "2026-01-01"}],
    },
    "bad.one": {"info": {"version": "3.1"}, "vulnerabilities": [{"id": "CVE-2", "withdrawn": None}]},
}
pytestmark = pytest.mark.one_python


class Index(BaseHTTPRequestHandler):
    """The pages of packages, and no others."""

    def do_GET(self) -> None:
        """Give a package's page."""
        _, pypi, name, last = self.path.split("/")
        assert (pypi, last) == ("pypi", "json")
        self.send_response(200 if name in PUBLISHED else 404)
        self.end_headers()
        self.wfile.write(json.dumps(PUBLISHED.get(name)).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def index() -> Iterator[str]:
    """Serve the pages; give the address."""
    with HTTPServer(("127.0.0.1", 0), Index) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    ("requirements", "status", "said"),
    [
        ("good==2.0\n    # via x==1\ntaken-back==1.0 ; python_version > '3'\n", 0, ["2 packages, 0 with advisories"]),
        ("good==1.9\n", 0, ["good 1.9 was not looked at, but 2.0", "1 packages, 0 with advisories"]),
        ("bad.one[all]==3.1\ngood==2.0\n", 1, ["bad.one 3.1: CVE-2", "2 packages, 1 with advisories"]),
        ("good>=1\n", 1, ["0 packages, 0 with advisories"]),
    ],
)  # fmt: skip
def test_what_is_published_is_told(requirements: str, status: int, said: list[str], tmp_path: Path) -> None:
    """A release with a published fault would go out if one were passed over."""
    file = tmp_path / "newest.txt"
    file.write_text(requirements, encoding="utf-8")
    with index() as address:
        command = [sys.executable, str(SCRIPT), str(file), address]
        environ = clean_environ(no_proxy="*")
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=100)
    assert (done.returncode, done.stdout.splitlines()) == (status, said), done.stderr
