"""Who asks too often, too much or too slowly is refused, and nothing is left of what they sent."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("uvicorn", reason="needs the extra `service`")

import uvicorn

from lattice_addons.service import Limits, Tokens, _run, make_app
from lattice_addons.storage import LocalStore, MemoryStore
from tests.integration.asking import OBJECT, Client, asked, digest_of
from tests.integration.services import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.types import Receive, Scope, Send


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Server]:
    """Give a service with little room."""
    made = Server(tmp_path / "served")
    made.options = ["--quota", "1000", "--max-object", "900"]
    made.start()
    yield made
    made.kill()


def test_more_than_fits_is_refused(full: Server) -> None:
    """An object that is too large, and one for which a job has no room, are not stored; removing makes room."""
    client = Client(full.port)

    assert client.put(OBJECT, bytes(901)) == 413
    assert client.put(OBJECT, bytes(800)) == 201
    status, _, told = client.ask("PUT", OBJECT + "2", bytes(300), lattice_digest=digest_of(bytes(300)))
    problem = json.loads(told)
    assert (status, problem["type"], problem["used"], problem["quota"]) == (507, "OverQuotaError", 800, 1000)
    assert client.put("/v1/jobs/other/objects/x", bytes(300)) == 201
    assert client.put("/v1/jobs/team-1/objects/rank-00000/lease.json", bytes(300)) == 201
    assert client.ask("DELETE", OBJECT)[0] == 204
    assert client.put(OBJECT + "2", bytes(300)) == 201
    assert stored(full.path / "team-1") == ["rank-00000/lease.json", "rank-00000/packs/x2"]


def stored(folder: Path) -> list[str]:
    """Give the names of all files below a folder, temporaries too."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_what_does_not_come_whole_leaves_nothing(served: Server) -> None:
    """Bytes that are others, too few, or have no end, and a client that goes away: no file is left of any."""
    client = Client(served.port)
    place = "/v1/jobs/halves/objects/x"
    many = bytes(3_000_000)
    assert client.ask("PUT", place, many, lattice_digest=digest_of(b"other"))[0] == 422
    assert client.ask("PUT", place, many)[0] == 400
    head = f"PUT {place} HTTP/1.1\r\nHost: 127.0.0.1\r\nLattice-Digest: {digest_of(many)}\r\n".encode()
    with socket.create_connection(("127.0.0.1", served.port), timeout=60) as opened:
        opened.sendall(head + b"Content-Length: 3000000\r\n\r\n" + many[:2_000_000])
        assert wait_for(lambda: len(stored(served.path / "halves")) == 1)
    with socket.create_connection(("127.0.0.1", served.port), timeout=60) as opened:
        both = b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        opened.sendall(head + both)
        assert opened.recv(100).startswith(b"HTTP/1.1 400")

    assert wait_for(lambda: stored(served.path / "halves") == [])


def wait_for(true: Callable[[], bool]) -> bool:
    """Wait until something holds; say whether it did."""
    deadline = time.monotonic() + 120
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_connections_that_ask_nothing_are_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a request, or none, is not waited for; who has asked and waits for an answer is not cut off."""
    monkeypatch.setattr(_run, "_LOOK", 1)
    listener = _run._listen("127.0.0.1", 0)
    address = listener.getsockname()
    server = _run._Server(
        uvicorn.Config(make_app(LocalStore(tmp_path)), log_config=None), make_app(MemoryStore("x")), ""
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        with socket.create_connection(address, timeout=60) as slow:
            slow.sendall(b"PUT /v1/jobs/a/objects/x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3\r\n")
            slow.sendall(f"Lattice-Digest: {digest_of(b'abc')}\r\n\r\n".encode())
            assert wait_for(
                lambda: any(getattr(each, "cycle", None) for each in list(server.server_state.connections))
            )
            with (
                socket.create_connection(address, timeout=60) as half,
                socket.create_connection(address, timeout=60) as none,
            ):
                half.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ")
                # Only now: a busy machine may have taken longer for what came of these.
                server._unasked._seconds = 0.3
                assert half.recv(100) == none.recv(100) == b""
            time.sleep(0.5)
            slow.sendall(b"abc")
            assert slow.recv(100).startswith(b"HTTP/1.1 201")
    finally:
        server.should_exit = True
        thread.join()


def test_who_takes_nothing_of_an_answer_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the file nor the connection stays open for one who asks and does not read."""
    monkeypatch.setattr(_run, "_LOOK", 1)
    store = LocalStore(tmp_path)
    store.put("a/x", bytes(16 << 20))
    listener = _run._listen("127.0.0.1", 0)
    app = make_app(store, limits=Limits(patience=0.2))
    heard = threading.Event()

    async def hearing(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            heard.set()
        await app(scope, receive, send)

    server = _run._Server(uvicorn.Config(hearing, log_config=None), app, "")
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        with socket.socket() as opened:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            opened.connect(listener.getsockname())
            opened.sendall(b"GET /v1/jobs/a/objects/x HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert heard.wait(120)
            # Only now: a busy machine may have taken longer to ask.
            server._unasked._seconds = 0.3
            assert wait_for(lambda: not server.server_state.connections)
    finally:
        server.should_exit = True
        thread.join()


def test_who_asks_too_often_waits() -> None:
    """Over the rate there is 429, with the seconds after which it is let in again, for each who asks alone."""
    store = MemoryStore("rate")
    tokens = Tokens(store)
    shown = [tokens.create("", "read")[1] for _ in range(2)]
    app = make_app(store, tokens=tokens, limits=Limits(rate=0.01, burst=3))

    async def statuses(token: str) -> list[int]:
        return [(await asked(app, "GET", "/v1/jobs", authorization=f"Bearer {token}"))[0] for _ in range(4)]

    assert asyncio.run(statuses(shown[0])) == [200, 200, 200, 429]
    assert asyncio.run(statuses(shown[1])) == [200, 200, 200, 429]


def test_who_tries_tokens_is_not_heard_long() -> None:
    """An address that shows one wrong token after another is refused unheard; who has a right one is not."""
    store = MemoryStore("strangers")
    tokens = Tokens(store)
    _, shown = tokens.create("", "read")
    limits = Limits(strangers=0.4)
    limits.strangers = 0.001  # however long these take, nobody is heard again
    app = make_app(store, tokens=tokens, limits=limits)

    async def statuses(token: str, count: int) -> list[int]:
        return [
            (await asked(app, "GET", "/v1/jobs", authorization=f"Bearer {token}"))[0] for _ in range(count)
        ]

    assert asyncio.run(statuses("lattice-" + "0" * 77, 4)) == [401, 401, 429, 429]
    assert asyncio.run(statuses(shown, 10)) == [200] * 10


@pytest.mark.parametrize("pieces", [[None], [b"ab", None]])
def test_who_is_silent_is_not_waited_for(tmp_path: Path, pieces: list[bytes | None]) -> None:
    """A client that stops in the middle of an object is told so, and nothing is left of what came."""
    app = make_app(LocalStore(tmp_path / "served"), limits=Limits(patience=0.05))

    status, told = asyncio.run(asked(app, "PUT", OBJECT, pieces, lattice_digest=digest_of(b"")))

    assert status == 408
    assert b"send it again" in told
    assert [
        path for path in (tmp_path / "served").rglob("*") if path.is_file() and path.name != ".gitignore"
    ] == []


def test_who_sends_next_to_nothing_is_not_waited_for(tmp_path: Path) -> None:
    """A byte now and then is no more than silence, when that goes on."""
    app = make_app(LocalStore(tmp_path / "served"), limits=Limits(patience=0.2))

    status, _ = asyncio.run(
        asked(app, "PUT", OBJECT, [b"x"] * 1000, pause=0.02, lattice_digest=digest_of(b"x" * 1000))
    )
    assert status == 408


def test_text_has_a_limit(tmp_path: Path) -> None:
    """A list of keys without end is refused when it is too long, not when memory is."""
    app = make_app(LocalStore(tmp_path), limits=Limits(text=1000))
    pieces: list[bytes | None] = [b" " * 400] * 10

    status, told = asyncio.run(
        asked(app, "POST", "/v1/jobs/a/delete", pieces, content_type="application/json")
    )

    assert (status, json.loads(told)["limit"]) == (413, 1000)


def test_a_head_without_end_is_not_read(served: Server) -> None:
    """Long headers, many of them, a long path, a length of a thousand digits: refused before they take memory."""
    heads = (
        b"X: " + b"a" * 10_000_000,
        b"X: a\r\n" * 1_000_000,
        b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 5000 + b"\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n3;" + b"a" * 10_000_000,
    )
    before = memory_of(served.pid)
    for head in heads:
        with socket.create_connection(("127.0.0.1", served.port), timeout=60) as opened:
            opened.sendall(b"PUT /v1/jobs/a/objects/x HTTP/1.1\r\nHost: 127.0.0.1\r\n")
            opened.sendall(f"Lattice-Digest: {digest_of(b'')}\r\n".encode())
            with contextlib.suppress(OSError):
                opened.sendall(head)
            with contextlib.suppress(ConnectionResetError):
                assert opened.recv(100).startswith(b"HTTP/1.1 400")
    assert memory_of(served.pid) - before < 8 << 20


def memory_of(pid: int) -> int:
    """Give the bytes of memory that a process has had at most."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(text.partition("VmHWM:")[2].split()[0]) << 10


def test_a_form_of_nobody_is_short(tmp_path: Path) -> None:
    """Whoever has no token yet cannot fill the memory by the page that asks for one."""
    store = LocalStore(tmp_path)
    app = make_app(store, tokens=Tokens(store))
    pieces: list[bytes | None] = [b"token=" + b"x" * 5000, b"x" * 5000, None]

    status, told = asyncio.run(
        asked(app, "POST", "/login", pieces, content_type="application/x-www-form-urlencoded")
    )

    assert (status, json.loads(told)["type"]) == (403, "NoAccessError")


@pytest.mark.parametrize("more", [b"x", b"x" * 2000])
def test_a_question_with_a_body(tmp_path: Path, more: bytes) -> None:
    """It is answered while the body still comes, and nobody has to look after what does not, or is too much."""
    app = make_app(LocalStore(tmp_path), limits=Limits(text=1000))
    unheard: list[dict[str, object]] = []

    async def main() -> tuple[int, bytes]:
        asyncio.get_running_loop().set_exception_handler(lambda _, told: unheard.append(told))
        await asked(app, "PUT", OBJECT, [b"abc"], lattice_digest=digest_of(b"abc"))
        answer = await asked(app, "GET", OBJECT, [b"x", more, None])
        await asyncio.sleep(0)
        gc.collect()
        return answer

    status, told = asyncio.run(main())
    assert status == 200
    assert told in (b"abc", b"")
    assert unheard == []
