"""Real servers on loopback, each a process of its own: S3 (moto), WebDAV (wsgidav), SFTP (asyncssh), emulated GCS.

Every test can ask for these fixtures; nothing has to be imported, and a server is started once per test session::

    def test_it(s3: Bucket) -> None:
        s3.root                      # "s3://<a bucket of this test alone>/prefix"
        s3.options                   # {"endpoint_url": "http://127.0.0.1:…"}: the way through s3.proxy
        s3.environ                   # AWS_ACCESS_KEY_ID … and LATTICE_CHECKPOINT_TYPE, _CONFIG for a child process
        s3.config("keep=2")          # the text of LATTICE_CHECKPOINT_CONFIG
        s3.keys(); s3.get("a/b"); s3.put("a/b", b"…"); s3.remove("a/b")     # below the prefix, around the proxy
        s3.uploads()                 # multipart uploads that are under way
        s3.proxy.counts()            # {"list": 1, "get": 2, "put": 1, "part": 3, "begin": 1, "complete": 1,
                                     #  "abort": 1, "delete-batch": 1, "head": 1, "head-bucket": 1, …}
        s3.proxy.requests            # each with kind, method, path, length, status; forget() empties them

    def test_that(webdav: Folder, sftp: Folder) -> None:
        webdav.root, webdav.options, webdav.environ, webdav.config(), webdav.proxy     # as above, type fsspec
        webdav.path                  # the folder on this disk that the server serves

The credentials are in this process's environment while such a test runs, and so in its children's.

What can happen to the network (`tests.integration.proxy`); ``heal()`` takes all of it away but latency and rate::

    proxy.latency = 0.05             # seconds before each answer
    proxy.bytes_per_second = 1e6     # of the link, both ways together
    proxy.fail(503, "put", times=2)  # or 500, 403 …: no kind: every request; no times: until told; path="manifest"
    proxy.reset("put", times=1)      # connection reset, the server has seen nothing
    proxy.lose("put")                # the server did it, and its answer is lost
    proxy.cut(100_000, "part")       # reset after so many bytes of the request's body; cut_answer(…) of the answer's
    proxy.black_hole()               # accepts, never answers
    proxy.stop(); proxy.start()      # connection refused
    proxy.wait_for("part", 2)        # until so many were seen

Another proxy for the same server: ``Proxy(s3.port)`` from `tests.integration.proxy`; ``stop()`` it at the end.
For SFTP, which is no HTTP, there are latency, rate, black_hole, stop and start.
"""

from __future__ import annotations

import http.client
import os
import re
import subprocess
import sys
import uuid
from dataclasses import dataclass
from html import unescape
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from tests.integration.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing-secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}
_SIGNED = {"Authorization": "AWS4-HMAC-SHA256 Credential=testing/20250101/us-east-1/s3/aws4_request"}
_PASSWORD = "not-so-secret"  # noqa: S105 - of a server on loopback that lives for one test session

# Ends with the process that started it, however that ends: its end of the pipe on standard input closes.
_PRELUDE = """
import os, sys, threading
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
def serving(port):
    print(port, flush=True)
"""

# A real S3 decides about one key at a time, refuses a body that was cut off, says so when there is no such
# upload, and when one was begun; moto does these only with what is added here (all of its uploads are just begun).
_S3 = (
    _PRELUDE
    + """
import io, logging, time
logging.getLogger("werkzeug").setLevel(logging.ERROR)
from moto.server import DomainDispatcherApplication, create_backend_app
from moto.s3 import exceptions, models
from werkzeug.serving import make_server
upload_part = models.S3Backend.upload_part
def known_upload_part(self, bucket_name, multipart_id, *args, **kwargs):
    if multipart_id not in self.get_bucket(bucket_name).multiparts:
        raise exceptions.NoSuchUpload(upload_id=multipart_id)
    return upload_part(self, bucket_name, multipart_id, *args, **kwargs)
models.S3Backend.upload_part = known_upload_part
moto = DomainDispatcherApplication(create_backend_app)
deciding = threading.Lock()
def application(environ, start_response):
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body = environ["wsgi.input"].read(length) if length else b""
    if len(body) < length:
        start_response("400 Bad Request", [("Content-Type", "application/xml")])
        return [b"<Error><Code>IncompleteBody</Code><Message>cut off</Message></Error>"]
    if length:
        environ["wsgi.input"] = io.BytesIO(body)
    with deciding:
        answer = b"".join(moto(environ, start_response))
    if b"<Initiated>" in answer:
        now = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
        answer = answer.replace(b"2010-11-10T20:48:33.000Z", now.encode())
    return [answer]
server = make_server("127.0.0.1", 0, application, threaded=True)
serving(server.port)
server.serve_forever()
"""
)

# It takes what is stored under a condition with what is added here: gcsfs stores nothing over what is there.
_GCS = (
    _PRELUDE
    + """
import logging
from functools import partial
from http import HTTPStatus
from http.server import HTTPServer
logging.disable(logging.CRITICAL)
from gcp_storage_emulator.exceptions import NotFound
from gcp_storage_emulator.handlers import buckets, objects
from gcp_storage_emulator.storage import Storage
insert = objects.insert
def insert_where_none_is(request, response, storage, *args, **kwargs):
    if request.query.get("ifGenerationMatch") == ["0"]:
        name = request.query["name"][0] if "name" in request.query else request.data.get("meta", request.data)["name"]
        try:
            storage.get_file_obj(request.params["bucket_name"], name)
        except NotFound:
            pass
        else:
            response.status = HTTPStatus.PRECONDITION_FAILED
            return response.json({"error": {"code": 412, "message": "conditionNotMet"}})
    return insert(request, response, storage, *args, **kwargs)
objects.insert = insert_where_none_is
from gcp_storage_emulator.server import RequestHandler
storage = Storage(use_memory_fs=True)
buckets.create_bucket("bucket", storage)
server = HTTPServer(("127.0.0.1", 0), partial(RequestHandler, storage))
serving(server.server_port)
server.serve_forever()
"""
)

_WEBDAV = (
    _PRELUDE
    + """
import logging
logging.disable(logging.CRITICAL)
from cheroot import wsgi
from wsgidav.wsgidav_app import WsgiDAVApp
folder, password = sys.argv[1:]
application = WsgiDAVApp({
    "provider_mapping": {"/": folder}, "verbose": 0, "logging": {"enable": False}, "property_manager": True,
    "lock_storage": True, "simple_dc": {"user_mapping": {"*": {"me": {"password": password}}}},
    "http_authenticator": {"accept_basic": True, "accept_digest": False, "default_to_digest": False},
})
server = wsgi.Server(("127.0.0.1", 0), application, numthreads=16)
server.prepare()
serving(server.bind_addr[1])
server.serve()
"""
)

_SFTP = (
    _PRELUDE
    + """
import asyncio, asyncssh
folder, password = sys.argv[1:]
class Guard(asyncssh.SSHServer):
    def begin_auth(self, username):
        return True
    def password_auth_supported(self):
        return True
    def validate_password(self, username, given):
        return given == password
class Files(asyncssh.SFTPServer):
    def __init__(self, channel):
        super().__init__(channel, chroot=folder)
async def main():
    key = asyncssh.generate_private_key("ssh-ed25519")
    server = await asyncssh.listen("127.0.0.1", 0, server_factory=Guard, server_host_keys=[key], sftp_factory=Files)
    serving(server.get_port())
    await asyncio.Event().wait()
asyncio.run(main())
"""
)


@dataclass
class Place:
    """Where a store can be: a URL, its options, and the proxy that leads there."""

    port: int
    proxy: Proxy
    root: str
    options: dict[str, str]
    type: str

    def config(self, *more: str) -> str:
        """Give the text of ``LATTICE_CHECKPOINT_CONFIG``."""
        options = [f"opt.{name}='{value}'" for name, value in self.options.items()]
        return ",".join([f"root={self.root}", *options, *more])

    @property
    def environ(self) -> dict[str, str]:
        """Give what a child process needs in its environment."""
        return CREDENTIALS | {
            "LATTICE_CHECKPOINT_TYPE": self.type,
            "LATTICE_CHECKPOINT_CONFIG": self.config(),
        }


@dataclass
class Bucket(Place):
    """A bucket of a real S3 server; its methods go around the proxy."""

    name: str
    prefix: str

    def ask(self, method: str, path: str, data: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        """Ask the server behind the proxy, by plain HTTP."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, f"/{self.name}{path}", body=data, headers=_SIGNED | headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def keys(self, below: str = "") -> list[str]:
        """Give the keys below the prefix, sorted."""
        _, text = self.ask(
            "GET", f"?list-type=2&encoding-type=&prefix={quote(self.prefix + '/' + below, safe='')}"
        )
        names = (unescape(name) for name in re.findall(r"<Key>(.*?)</Key>", text.decode(), re.DOTALL))
        return sorted(name[len(self.prefix) + 1 :] for name in names)

    def get(self, key: str) -> bytes | None:
        """Give an object's bytes; None when it is not there."""
        status, data = self.ask("GET", f"/{quote(f'{self.prefix}/{key}')}")
        return data if status == http.client.OK else None

    def put(self, key: str, data: bytes) -> None:
        """Store an object, whatever was there."""
        status, text = self.ask("PUT", f"/{quote(f'{self.prefix}/{key}')}", data)
        assert status == http.client.OK, text

    def remove(self, key: str) -> None:
        """Remove an object."""
        self.ask("DELETE", f"/{quote(f'{self.prefix}/{key}')}")

    def uploads(self) -> list[str]:
        """Give the multipart uploads that are neither completed nor aborted."""
        return re.findall(r"<UploadId>(.*?)</UploadId>", self.ask("GET", "?uploads")[1].decode())


@dataclass
class Folder(Place):
    """A folder on this disk that a real server serves."""

    path: Path


def _served(script: str, *arguments: str) -> Iterator[int]:
    """Run a server; give its port."""
    command = [sys.executable, "-c", script, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = server.stdout.readline()
        assert port, "the server did not start"
        yield int(port)
        server.kill()


@pytest.fixture(scope="session")
def s3_port() -> Iterator[int]:
    """Give the port of an S3 server."""
    pytest.importorskip("moto")
    yield from _served(_S3)


@pytest.fixture(scope="session")
def gcs_port() -> Iterator[int]:
    """Give the port of a server that speaks Google Cloud Storage's language, with an empty bucket ``bucket``."""
    pytest.importorskip("gcsfs")
    pytest.importorskip("gcp_storage_emulator")
    yield from _served(_GCS)


@pytest.fixture(scope="session")
def webdav_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """Give the port of a WebDAV server, and the folder that it serves."""
    pytest.importorskip("wsgidav")
    folder = tmp_path_factory.mktemp("webdav")
    for port in _served(_WEBDAV, str(folder), _PASSWORD):
        yield port, folder


@pytest.fixture(scope="session")
def sftp_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """Give the port of an SFTP server, and the folder that it serves."""
    pytest.importorskip("asyncssh")
    folder = tmp_path_factory.mktemp("sftp")
    for port in _served(_SFTP, str(folder), _PASSWORD):
        yield port, folder


@pytest.fixture
def s3(s3_port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """Give a bucket of this test alone, behind a proxy of its own; its credentials are in the environment."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    proxy = Proxy(s3_port)
    name = f"test-{uuid.uuid4().hex[:12]}"
    options = {"endpoint_url": proxy.endpoint}
    bucket = Bucket(s3_port, proxy, f"s3://{name}/prefix", options, "s3", name, "prefix")
    assert bucket.ask("PUT", "")[0] == http.client.OK
    yield bucket
    proxy.stop()


@pytest.fixture
def webdav(webdav_server: tuple[int, Path]) -> Iterator[Folder]:
    """Give a folder of this test alone on a WebDAV server, behind a proxy of its own."""
    port, served = webdav_server
    proxy = Proxy(port)
    name = uuid.uuid4().hex[:12]
    options = {"base_url": proxy.endpoint, "auth": f'["me", "{_PASSWORD}"]'}
    (served / name).mkdir()
    yield Folder(port, proxy, f"webdav://{name}", options, "fsspec", served / name)
    proxy.stop()


@pytest.fixture
def sftp(sftp_server: tuple[int, Path]) -> Iterator[Folder]:
    """Give a folder of this test alone on an SFTP server, behind a proxy of its own."""
    port, served = sftp_server
    proxy = Proxy(port, http=False)
    name = uuid.uuid4().hex[:12]
    (served / name).mkdir()
    options = {"username": "me", "password": _PASSWORD, "known_hosts": "null"}
    yield Folder(port, proxy, f"sftp://127.0.0.1:{proxy.port}/{name}", options, "fsspec", served / name)
    proxy.stop()
