"""What cannot be reached, or does not let us in, is said once, clearly, and in time."""

from __future__ import annotations

import errno
import socket
import time
from typing import TYPE_CHECKING

import pytest

from lattice_addons.errors import NoAccessError, NotInStoreError, StoreError, UnreachableError
from lattice_addons.storage.remote import RemoteStore

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.servers import Bucket, Folder


def test_a_wrong_bucket(s3: Bucket) -> None:
    """It is named, with its endpoint, by whatever is done first."""
    store = RemoteStore("s3://no-such-bucket/prefix", s3.options, patience=90)
    said = f"bucket no-such-bucket does not exist at {s3.proxy.endpoint}; make it, or correct root="
    for call in (
        store.check,
        store.listing,
        lambda: store.put("job/key", b"x"),
        lambda: store.read("job/key"),
    ):
        with pytest.raises(NotInStoreError) as caught:
            call()
        assert str(caught.value) == said
    assert s3.proxy.counts() == {"list": 2, "put": 1, "get": 1}


@pytest.mark.parametrize("status", [403])
def test_missing_rights(s3: Bucket, status: int) -> None:
    """The operation is named, and it is asked for once: it would not help to ask again."""
    store = RemoteStore(s3.root, s3.options, patience=90)
    s3.proxy.fail(status)
    for call, operation in (
        (store.check, "ListObjectsV2"),
        (lambda: store.put("job/key", b"x"), "PutObject"),
        (lambda: store.read("job/key"), "GetObject"),
        (lambda: store.delete(["job/key"]), "DeleteObjects"),
    ):
        s3.proxy.forget()
        with pytest.raises(
            NoAccessError, match=f"refuses {operation} .*403 AccessDenied.*the right to"
        ) as caught:
            call()
        assert caught.value.errno == errno.EACCES
        assert len(s3.proxy.requests) == 1


def test_no_credentials(s3: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """That there are none is said before anything is sent."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(NoAccessError, match="credentials"):
        RemoteStore(s3.root, s3.options).check()
    assert s3.proxy.requests == []


def test_nobody_there(s3: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is stopped, and a host that does not exist: the endpoint is named, and nobody waits for long."""
    resolve = socket.getaddrinfo

    def resolved(host: object, *args: object, **more: object) -> object:
        # What a resolver says of such a name; to ask one may take long where there is no network.
        if str(host).endswith(".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return resolve(host, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    s3.proxy.stop()
    for options in (s3.options, {"endpoint_url": "http://no-such-host.invalid:9000"}):
        with pytest.raises(UnreachableError, match=f"{options['endpoint_url']}.*tried several times"):
            RemoteStore(s3.root, options).check()


def test_a_server_that_only_fails(s3: Bucket) -> None:
    """In the end it counts as not reached, with what it said."""
    store = RemoteStore(s3.root, s3.options, patience=2)
    store._files.where.patience = 60.0  # type: ignore[attr-defined]
    store.check()
    store._files.where.patience = 2.0  # type: ignore[attr-defined]
    s3.proxy.fail(503)
    s3.proxy.forget()
    with pytest.raises(UnreachableError, match="503 SlowDown"):
        store.check()
    assert len(s3.proxy.requests) > 1


def test_a_server_that_is_no_s3(webdav: Folder, s3: Bucket) -> None:
    """Something answers there, and it makes no sense."""
    with pytest.raises(StoreError, match=webdav.proxy.endpoint):
        RemoteStore(s3.root, {"endpoint_url": webdav.proxy.endpoint}, patience=2).check()


def test_secrets_are_not_told(s3: Bucket) -> None:
    """Not by the name of the store, nor by its errors."""
    for url in ("ftp://me:secret@127.0.0.1:1/x", "s3://bucket/x?versionId=secret"):
        store = RemoteStore(url, s3.options | {"secret": "secret", "key": "0123"}, patience=1)
        with pytest.raises(StoreError) as caught:
            store.listing()
        assert "secret" not in f"{store!r} {store.url} {caught.value}"


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    """A kind that nobody knows, and options that the file system does not take, or lacks."""
    for url, options in (
        ("nonsense://x", {}),
        ("webdav://x", {}),
        ("s3://bucket/x", {"retries": "x", "nonsense": "1"}),
    ):
        with pytest.raises(StoreError, match=r"root=|opt\."):
            RemoteStore(url, options, patience=2).check()
    assert list(tmp_path.iterdir()) == []


def test_a_webdav_server_in_trouble(webdav: Folder) -> None:
    """Black holes, refusals and lost answers of a file system whose calls cannot be cancelled."""
    store = RemoteStore(webdav.root, webdav.options)
    impatient = RemoteStore(webdav.root, webdav.options, patience=0.9)
    store.put("job/key", b"x")
    webdav.proxy.lose("move")
    store.put("job/other", b"y")
    assert (webdav.path / "job" / "other").read_bytes() == b"y"
    webdav.proxy.fail(503, "get", times=2)
    assert store.read("job/key") == b"x"
    webdav.proxy.fail(403, "put")
    with pytest.raises(NoAccessError, match="refuses write"):
        store.put("job/new", b"x")
    webdav.proxy.heal()
    webdav.proxy.black_hole()
    begun = time.monotonic()
    with pytest.raises(UnreachableError, match=webdav.proxy.endpoint):
        impatient.read("job/key")
    assert time.monotonic() - begun < 60
    webdav.proxy.heal()
    assert store.list() == ["job/key", "job/other"]


def test_an_sftp_server_in_trouble(sftp: Folder, tmp_path: Path) -> None:
    """It hangs, it is away, the password is wrong: each is said."""
    store = RemoteStore(sftp.root, sftp.options)
    (tmp_path / "pack").write_bytes(b"x" * 3_000_000)
    store.send("job/pack", str(tmp_path / "pack"))
    assert (sftp.path / "job" / "pack").read_bytes() == b"x" * 3_000_000
    assert [path.name for path in (sftp.path / "job").iterdir()] == ["pack"]
    with pytest.raises(NoAccessError, match=r"sftp://127\.0\.0\.1"):
        RemoteStore(sftp.root, sftp.options | {"password": "wrong"}).check()
    sftp.proxy.black_hole()
    with pytest.raises(UnreachableError):
        RemoteStore(sftp.root, sftp.options, patience=0.9).size("job/pack")
    sftp.proxy.stop()
    with pytest.raises(UnreachableError):
        RemoteStore(sftp.root, sftp.options, patience=1.5).check()
