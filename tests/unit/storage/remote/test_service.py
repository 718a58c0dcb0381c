"""The client of a checkpoint service: few requests, none of them twice with effect, and every fault told."""

from __future__ import annotations

import errno
import json
import logging
import os
import socket
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from lattice_addons.errors import (
    NoAccessError,
    NotInStoreError,
    OverQuotaError,
    StoreError,
    UnreachableError,
)
from lattice_addons.storage import RemoteStore
from lattice_addons.storage.remote._connections import Connections

if TYPE_CHECKING:
    from collections.abc import Iterator
    from http.client import HTTPConnection
    from pathlib import Path

    from lattice_addons.storage.remote._patience import Pulse
    from tests.integration.services import Server, Service

TOKEN = "lattice-token-of-this-test"  # noqa: S105 - it opens nothing


@pytest.fixture
def store(service: Service) -> RemoteStore:
    """Give a store in the service."""
    return RemoteStore(service.root, patience=60)


def counts(service: Service) -> dict[str, int]:
    """Give the requests since the last look."""
    found = service.proxy.counts()
    service.proxy.forget()
    return found


def test_one_request_each(service: Service, store: RemoteStore, tmp_path: Path) -> None:
    """A put, a range, a listing; a large file asks first whether it is there; a thousand keys go at once."""
    store.put("job/a", b"0123456789")
    assert counts(service) == {"put": 1}
    assert store.read("job/a", 2, 4) == b"23"
    assert counts(service) == {"get": 1}
    assert [*store.listing("job")] == ["job/a"]
    assert counts(service) == {"list": 1}
    (tmp_path / "file").write_bytes(bytes(3 << 20))
    told: list[int] = []
    store.send("job/b", str(tmp_path / "file"), tell=told.append)
    assert counts(service) == {"head": 1, "put": 1}
    assert told == [3 << 20]
    store.delete([f"job/{number}" for number in range(1500)] + ["job/a"])
    assert counts(service) == {"post": 2}
    assert store.list() == ["job/b"]


def test_connections_are_used_again(
    service: Service, store: RemoteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One connection serves request after request; one that was closed meanwhile is no error."""
    opened: list[Connections] = []
    original = Connections._opened

    def counted(connections: Connections, pulse: Pulse) -> HTTPConnection:
        opened.append(connections)
        return original(connections, pulse)

    monkeypatch.setattr(Connections, "_opened", counted)
    for number in range(5):
        store.put(f"job/{number}", b"x")
        with pytest.raises(NotInStoreError):
            store.read("job/none")
    assert len(opened) == 1
    service.proxy.stop()
    service.proxy.start()
    begun = time.monotonic()
    assert store.read("job/1") == b"x"
    assert len(opened) == 2
    # It is not waited for until the attempt counts as dead.
    assert time.monotonic() - begun < 60 / 3
    assert store.fetch([(f"job/{number % 5}", 0, 1) for number in range(40)]) == [b"x"] * 40
    assert len(opened) <= 10


def test_a_fork_has_connections_of_its_own(store: RemoteStore) -> None:
    """Parent and child ask at the same time, and each hears its own answer."""
    store.put("job/parent", b"p" * 100_000)
    store.put("job/child", b"c" * 100_000)
    child = os.fork()
    if child == 0:
        good = False
        try:
            good = all(store.read("job/child") == b"c" * 100_000 for _ in range(20))
        finally:
            os._exit(0 if good else 1)
    assert all(store.read("job/parent") == b"p" * 100_000 for _ in range(20))
    assert os.waitpid(child, 0)[1] == 0


def test_lost_answers(service: Service, store: RemoteStore, tmp_path: Path) -> None:
    """The service did it and nobody heard: made again it is known for one's own, and another's is not."""
    service.proxy.lose("put")
    store.put("job/mine", b"mine")
    assert service.get("job/mine") == b"mine"
    service.put("job/theirs", b"theirs")
    service.proxy.lose("put")
    with pytest.raises(StoreError) as caught:
        store.put("job/theirs", b"mine")
    assert caught.value.errno == errno.EEXIST
    service.proxy.lose("put")
    (tmp_path / "file").write_bytes(b"f" * 2_000_000)
    store.send("job/file", str(tmp_path / "file"))
    service.proxy.lose("put")
    store.replace("job/mine", b"later")
    service.proxy.lose("post")
    store.delete(["job/mine"])
    assert service.get("job/mine") is None
    assert service.get("job/theirs") == b"theirs"


def test_a_proxy_that_says_everything_twice(service: Service, store: RemoteStore) -> None:
    """Its client is told that a new key is stored, and not that another one was first: that was itself."""
    service.proxy.repeat()
    store.put("job/a", b"the same")
    store.replace("job/a", b"another")
    assert store.read("job/a") == b"another"
    with pytest.raises(StoreError, match="already"):
        store.put("job/a", b"the same")
    store.delete(["job/a"])
    assert store.list() == []


def test_a_file_that_is_there_already(service: Service, store: RemoteStore, tmp_path: Path) -> None:
    """The same bytes are fine, and not sent again; others stay, and are told of."""
    for size in (10, 3 << 20):
        (tmp_path / "file").write_bytes(b"1" * size)
        store.send(f"job/{size}", str(tmp_path / "file"))
        service.proxy.forget()
        store.send(f"job/{size}", str(tmp_path / "file"))
        assert sum(each.length for each in service.proxy.requests) <= 10
        (tmp_path / "file").write_bytes(b"2" * size)
        with pytest.raises(StoreError) as caught:
            store.send(f"job/{size}", str(tmp_path / "file"))
        assert caught.value.errno == errno.EEXIST
        assert service.get(f"job/{size}") == b"1" * size
        store.send(f"job/{size}", str(tmp_path / "file"), over=True)
        assert service.get(f"job/{size}") == b"2" * size


@pytest.mark.parametrize("how", ["reset", "cut", "cut answer", "503"])
def test_what_is_over_in_a_moment(service: Service, store: RemoteStore, how: str) -> None:
    """It is tried again, and nothing is there by half."""
    data = os.urandom(300_000)
    proxy = service.proxy
    if how == "reset":
        proxy.reset("put", "get", times=3)
    elif how == "cut":
        proxy.cut(100_000, "put", times=2)
    elif how == "cut answer":
        proxy.cut_answer(100_000, "get", times=2)
    else:
        proxy.fail(503, times=3)
    store.put("job/key", data)
    assert store.read("job/key") == data
    assert service.keys() == ["job/key"]


@pytest.mark.parametrize("how", ["black hole", "stopped", "500"])
def test_who_does_not_answer(service: Service, how: str) -> None:
    """It is told in time, with the address and with what can be done; later, all is well."""
    RemoteStore(service.root).put("job/key", b"x")
    store = RemoteStore(service.root, patience=0.9)
    if how == "500":
        service.proxy.fail(500)
    else:
        (service.proxy.black_hole if how == "black hole" else service.proxy.stop)()
    begun = time.monotonic()
    with pytest.raises(UnreachableError, match=f"127.0.0.1:{service.proxy.port}") as caught:
        store.read("job/key")
    assert time.monotonic() - begun < 60
    assert "offline=allow" in str(caught.value)
    service.proxy.heal()
    store._files._where.patience = 60.0  # type: ignore[attr-defined]  # enough for any machine
    assert store.read("job/key") == b"x"


def test_what_is_in_no_job(server: Server) -> None:
    """Keys of one part, and the listing of everything."""
    store = RemoteStore(server.url)
    store.put("top", b"1")
    store.put("job/a/b", b"2")
    store.put("other/c", b"3")
    assert store.list() == ["job/a/b", "other/c", "top"]
    assert store.folders() == ["job", "other"]
    assert store.folders("job") == ["a"]
    assert store.read("top") == b"1"
    store.delete(["top", "job/a/b", "none"])
    assert store.list() == ["other/c"]
    assert store.folders() == ["other"]


# -- answers that no service of ours gives, or gives only when it is in trouble


@contextmanager
def answering(*answers: bytes, hold: bool = False, after: float = 0) -> Iterator[str]:
    """Answer each connection with the next of these bytes, the last one again and again; give the URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        left = [*answers]
        heard: list[socket.socket] = []

        def serve() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                heard.append(client)
                with suppress(OSError):
                    client.recv(65536)
                    time.sleep(after)
                    client.sendall(left.pop(0) if len(left) > 1 else left[0])
                if not hold:
                    client.close()

        threading.Thread(target=serve, daemon=True).start()
        yield f"lattice://127.0.0.1:{listener.getsockname()[1]}/job"
        listener.shutdown(socket.SHUT_RDWR)
        for client in heard:
            client.close()


def answer(status: int, body: bytes = b"", *headers: str) -> bytes:
    """Make an answer."""
    head = [f"HTTP/1.1 {status} Told", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*head, "", ""]).encode() + body


def problem(status: int, **told: object) -> bytes:
    """Make the answer of a service that refuses."""
    return answer(
        status, json.dumps({"status": status} | told).encode(), "Content-Type: application/problem+json"
    )


def test_the_server_s_own_words() -> None:
    """Its error is the same here, with its text, its hint, its facts and its number; and the address."""
    full = problem(
        507, type="StoreError", detail="no space is left", hint="make room", errno=errno.ENOSPC, pid=7
    )
    with answering(full) as url, pytest.raises(StoreError, match="no space is left: make room") as caught:
        RemoteStore(url).put("key", b"x")
    assert (type(caught.value), caught.value.errno) == (StoreError, errno.ENOSPC)
    assert caught.value.url == url
    assert url in str(caught.value)
    over = problem(413, type="OverQuotaError", detail="job 'a' has no room", job="a", limit=5)
    with answering(over) as url, pytest.raises(OverQuotaError, match="has no room") as quota:
        RemoteStore(url).put("key", b"x")
    assert quota.value.job == "a"
    for status in (401, 403):
        refused = problem(
            status, type="NoAccessError", detail="its token is not in force", hint="make another"
        )
        with answering(refused) as url, pytest.raises(NoAccessError, match="not in force: make another"):
            RemoteStore(url).read("key")


def test_no_class_of_the_server_s_choice() -> None:
    """What it calls its error is looked up among those of stores, and nowhere else."""
    for name in (
        "SystemExit",
        "KeyboardInterrupt",
        "LatticeError",
        "__import__",
        "NotSavedError",
        "../StoreError",
        "",
    ):
        told = problem(400, type=name, detail="\x1b[2J\r\nred" + "!" * 5000, args=["x"], errno="x", _pid=1)
        with answering(told) as url, pytest.raises(StoreError) as caught:
            RemoteStore(url).read("key")
        assert type(caught.value) is StoreError
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 2500


@pytest.mark.parametrize(
    "told",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"",
        answer(200, b"<html>a proxy's page</html>"),
        answer(200, b'{"objects": 3}'),
        answer(200, b'{"objects": [{"key": "a"}]}'),
        answer(200, b"[]"),
        answer(302, b"", "Location: http://127.0.0.1/"),
        answer(500, b"x" * 5_000_000),
        b"HTTP/1.1 200 OK\r\nContent-Length: banana\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X-Header: y\r\n" * 5000 + b"\r\n",
    ],
)
def test_no_answer_of_ours(told: bytes) -> None:
    """Somebody else listens there: that is an error of a store, which names the address, and nothing else."""
    with answering(told) as url:
        store = RemoteStore(url, patience=0.5)
        with pytest.raises(StoreError, match=r"127\.0\.0\.1"):
            store.listing("folder")


def test_more_than_was_asked_for() -> None:
    """A server that does not know ranges must not fill the memory, nor be believed."""
    with answering(answer(200, b"x" * 1000)) as url, pytest.raises(StoreError, match="more than"):
        RemoteStore(url).read("key", 3, 10)


def test_it_says_no_before_it_has_all(tmp_path: Path) -> None:
    """A large file is not sent to who has refused it already; nor does one wait for who takes nothing."""
    with (tmp_path / "file").open("wb") as file:
        file.truncate(1 << 27)
    refused = problem(413, type="TooLargeError", detail="128 MiB is too large")
    begun = time.monotonic()
    with answering(refused, hold=True) as url, pytest.raises(StoreError, match="too large"):
        RemoteStore(url).send("key", str(tmp_path / "file"), over=True)
    with answering(b"", hold=True) as url, pytest.raises(UnreachableError):
        RemoteStore(url, patience=0.6).send("key", str(tmp_path / "file"), over=True)
    assert time.monotonic() - begun < 60


def test_it_says_no_while_it_takes_nothing(tmp_path: Path) -> None:
    """Its answer comes while the sender waits for room, and is heard at once."""
    with (tmp_path / "file").open("wb") as file:
        file.truncate(1 << 27)
    refused = problem(413, type="TooLargeError", detail="128 MiB is too large")
    with answering(refused, hold=True, after=0.5) as url, pytest.raises(StoreError, match="too large"):
        RemoteStore(url).send("key", str(tmp_path / "file"), over=True)


def test_it_comes_back_when_it_is_told_to() -> None:
    """A service with too much to do says when: then, and not before, it is asked again."""
    later = answer(429, b"{}", "Retry-After: 1")
    begun = time.monotonic()
    with answering(later, answer(200, b"there")) as url:
        assert RemoteStore(url).read("key") == b"there"
    assert time.monotonic() - begun > 1


def test_secrets_stay_secret(caplog: pytest.LogCaptureFixture) -> None:
    """A token is in no error and in no log, whatever goes wrong, and in no text of the store."""
    caplog.set_level(logging.DEBUG)
    for told in (b"nonsense\r\n", problem(401, type="NoAccessError", detail="no"), answer(500)):
        with answering(told) as url, pytest.raises(StoreError) as caught:
            RemoteStore(url, {"token": TOKEN}, patience=0.5).read("key")
        assert TOKEN not in repr(caught.value)
    for url in (f"lattice://{TOKEN}@host", f"lattice://me:{TOKEN}@host/x"):
        with pytest.raises(StoreError, match="LATTICE_CHECKPOINT_TOKEN") as caught:
            RemoteStore(url).read("key")
        assert TOKEN not in str(caught.value)
    with pytest.raises(StoreError, match="token"):
        RemoteStore("lattice://host", {"token": f"{TOKEN}\r\nHost: x"}).read("key")
    assert TOKEN not in repr(RemoteStore("lattice://host", {"token": TOKEN}))
    assert TOKEN not in caplog.text


@pytest.mark.parametrize(
    ("url", "options", "told"),
    [
        ("lattice://", {}, "no host"),
        ("lattice://host:0", {}, "port"),
        ("lattice://::1", {}, "port|brackets"),
        ("lattice://host", {"endpoint_url": "x"}, r"opt\.endpoint_url"),
        ("lattice://host", {"tls": "yes"}, r"opt\.tls"),
        ("lattices://host", {"tls": "false"}, r"opt\.tls"),
        ("lattices://host", {"cafile": "/none"}, "/none"),
        ("lattice://host", {"cafile": "/dev/null"}, "TLS"),
    ],
)
def test_addresses_and_options_that_cannot_be(url: str, options: dict[str, str], told: str) -> None:
    """Nothing is asked for; the error says what is wrong."""
    with pytest.raises(StoreError, match=told):
        RemoteStore(url, options).read("key")


def test_tls_where_there_is_none() -> None:
    """Nothing is said to a server that does not show who it is, and the error says what to write instead."""
    heard = answer(400)
    with answering(heard) as url, pytest.raises(NoAccessError, match=r"lattice://, or opt\.tls is left out"):
        RemoteStore(url.replace("lattice:", "lattices:"), {"token": TOKEN}, patience=60).read("key")
