"""A proxy on loopback that is in front of a real server, counts its requests, and breaks the network between."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import parse_qs, urlsplit

from tests.integration.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PIECE = 64 << 10
_CODES = {
    403: "AccessDenied",
    404: "NoSuchKey",
    500: "InternalError",
    503: "SlowDown",
    429: "TooManyRequests",
}
_BODILESS = (204, 304)
_LONGEST = 60.0  # seconds that a server behind us may take; a test that waits longer has failed


@dataclass
class Request:
    """One request: ``kind`` says what it asks for, ``status`` is 0 until (or unless) it is answered."""

    kind: str
    method: str
    path: str
    length: int
    status: int = 0
    authorization: str = ""


@dataclass
class Fault:
    """What is done to the requests of some kinds (all, when none is named) with this path, ``by`` these credentials."""

    action: str  # status, reset, lose, repeat, cut, cut-answer
    kinds: tuple[str, ...]
    path: str = ""
    times: int | None = None
    status: int = 0
    after: int = 0
    by: str = ""

    def takes(self, request: Request) -> bool:
        """Tell whether this one is meant, and count it."""
        if (
            (self.kinds and request.kind not in self.kinds)
            or self.path not in request.path
            or self.by not in request.authorization
            or self.times == 0
        ):
            return False
        if self.times is not None:
            self.times -= 1
        return True


class Proxy:
    """Stands before a server on loopback; see :mod:`tests.integration.servers` for how to use it."""

    def __init__(self, port: int, *, http: bool = True) -> None:
        self.latency = 0.0
        self.bytes_per_second: float | None = None
        self.requests: list[Request] = []
        self.port = free_port()
        self._http = http
        self._behind = port
        self._faults: list[Fault] = []
        self._hole = threading.Event()
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self._free_at = 0.0
        self.start()

    @property
    def endpoint(self) -> str:
        """Give the URL of this end."""
        return f"http://127.0.0.1:{self.port}"

    def counts(self) -> dict[str, int]:
        """Give how many requests of each kind there were since the last `forget`."""
        with self._lock:
            return dict(Counter(request.kind for request in self.requests))

    def forget(self) -> None:
        """Begin to count from nothing."""
        with self._lock:
            self.requests.clear()

    def wait_for(self, kind: str, count: int = 1, seconds: float = 180) -> None:
        """Wait until there were so many requests of a kind (answered or not)."""
        deadline = time.monotonic() + seconds
        while self.counts().get(kind, 0) < count:
            if time.monotonic() > deadline:
                raise AssertionError(f"{count} × {kind} expected within {seconds} s; seen: {self.counts()}")
            time.sleep(0.01)

    def fail(self, status: int, *kinds: str, times: int | None = None, path: str = "", by: str = "") -> None:
        """Answer requests (``by`` a name in their authorization) with an error; the server does not see them."""
        self._break(Fault("status", kinds, path, times, status=status, by=by))

    def reset(self, *kinds: str, times: int | None = None, path: str = "") -> None:
        """Reset the connection in the place of an answer; the server does not see the request."""
        self._break(Fault("reset", kinds, path, times))

    def lose(self, *kinds: str, times: int | None = 1, path: str = "") -> None:
        """Let the server do it, throw its answer away, and reset the connection."""
        self._break(Fault("lose", kinds, path, times))

    def repeat(self, *kinds: str, times: int | None = None, path: str = "") -> None:
        """Ask the server twice, as who had not heard the first answer, and hand on the second one."""
        self._break(Fault("repeat", kinds, path, times))

    def cut(self, after: int, *kinds: str, times: int | None = 1, path: str = "") -> None:
        """Reset the connection when so many bytes of a request's body have gone through."""
        self._break(Fault("cut", kinds, path, times, after=after))

    def cut_answer(self, after: int, *kinds: str, times: int | None = 1, path: str = "") -> None:
        """Reset the connection when so many bytes of an answer's body have gone through."""
        self._break(Fault("cut-answer", kinds, path, times, after=after))

    def black_hole(self) -> None:
        """Accept connections and requests, and never answer, until healed."""
        self._hole.set()

    def heal(self) -> None:
        """Take all faults away, and let in who is refused; latency and rate stay."""
        with self._lock:
            self._faults.clear()
        if self._hole.is_set():
            self._drop()  # first, so that what hung in the hole is not done after all
            self._hole.clear()
        if self._listener is None:
            self.start()

    def start(self) -> None:
        """Listen, on the same port as before."""
        self._listener = listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(128)
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def stop(self) -> None:
        """Refuse connections, and reset those that are open, until `start` or `heal`."""
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self._drop()

    def _break(self, fault: Fault) -> None:
        with self._lock:
            self._faults.append(fault)

    def _drop(self) -> None:
        with self._lock:
            doomed = list(self._sockets)
        for each in doomed:
            _reset(each)

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=self._serve, args=(client, listener), daemon=True).start()

    def _serve(self, client: socket.socket, listener: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), contextlib.ExitStack() as stack:
            self._own(client, stack)
            if self._listener is not listener:
                _reset(client)  # accepted just before we were stopped
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            server = socket.create_connection(("127.0.0.1", self._behind), timeout=_LONGEST)
            self._own(server, stack)
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._http:
                _Conversation(self, client, server).hold()
            else:
                back = threading.Thread(target=self._pump, args=(server, client, self.latency), daemon=True)
                back.start()
                self._pump(client, server, 0.0)
                back.join()

    def _own(self, opened: socket.socket, stack: contextlib.ExitStack) -> None:
        with self._lock:
            self._sockets.add(opened)
        stack.callback(opened.close)
        stack.callback(self._sockets.discard, opened)

    def _pump(self, source: socket.socket, target: socket.socket, latency: float) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_PIECE):
                time.sleep(latency)
                self.pace(len(data))
                target.sendall(data)
        _reset(source)
        _reset(target)

    def fault(self, request: Request) -> Fault | None:
        """Note a request, and give what is to be done to it."""
        with self._lock:
            self.requests.append(request)
            return next((fault for fault in self._faults if fault.takes(request)), None)

    def pace(self, length: int) -> None:
        """Wait as long as the link needs for so many bytes; for ever in a black hole."""
        while self._hole.is_set():
            time.sleep(0.01)
        if self.bytes_per_second:
            with self._lock:
                now = time.monotonic()
                self._free_at = max(self._free_at, now) + length / self.bytes_per_second
                wait = self._free_at - now
            time.sleep(wait)


class _Conversation:
    """The requests and answers on one connection."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._asks = client.makefile("rb")
        self._answers = server.makefile("rb")

    def hold(self) -> None:
        """Serve until one side closes."""
        while True:
            first, headers = _head(self._asks)
            if not first or not self._exchange(first, headers):
                return

    def _exchange(self, first: bytes, headers: list[bytes]) -> bool:
        fields = _fields(headers)
        method, path, _ = first.decode("latin-1").split(" ", 2)
        length = int(fields.get("content-length", "0"))
        request = Request(
            kind_of(method, path, fields), method, path, length, authorization=fields.get("authorization", "")
        )
        fault = self._proxy.fault(request)
        self._proxy.pace(0)
        if fields.get("expect", "").lower() == "100-continue":
            self._client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            headers = [line for line in headers if not line.lower().startswith(b"expect:")]
        if fault is not None and fault.action == "reset":
            _reset(self._client)
            return False
        if fault is not None and fault.action == "status":
            for _ in _body(self._asks, fields):
                pass
            return self._refuse(request, fault.status)
        if fault is not None and fault.action == "repeat":
            body = b"".join(_body(self._asks, fields))
            self._server.sendall(first + b"".join(headers) + b"\r\n" + body)
            unheard = _fields(_head(self._answers)[1])
            for _ in _body(self._answers, unheard):
                pass
            self._server.sendall(first + b"".join(headers) + b"\r\n" + body)
            return self._answer(request, None)
        self._server.sendall(first + b"".join(headers) + b"\r\n")
        if not self._forward(fields, fault):
            return False
        return self._answer(request, fault)

    def _forward(self, fields: Mapping[str, str], fault: Fault | None) -> bool:
        """Send a request's body on, as far as it may go."""
        left = fault.after if fault is not None and fault.action == "cut" else None
        for piece in _body(self._asks, fields):
            self._proxy.pace(len(piece))
            if left is not None and left < len(piece):
                self._server.sendall(piece[:left])
                _reset(self._client)
                return False
            left = None if left is None else left - len(piece)
            self._server.sendall(piece)
        return True

    def _answer(self, request: Request, fault: Fault | None) -> bool:
        """Send an answer on, as far as it may go; tell whether the connection can be used again."""
        first, headers = _head(self._answers)
        if not first:
            return False
        fields = _fields(headers)
        status = int(first.split(b" ", 2)[1])
        bodiless = request.method == "HEAD" or status in _BODILESS
        lost = fault is not None and fault.action == "lose"
        time.sleep(self._proxy.latency)
        self._proxy.pace(0)
        left = fault.after if fault is not None and fault.action == "cut-answer" else None
        request.status = status
        if not lost:
            self._client.sendall(first + b"".join(headers) + b"\r\n")
        for piece in () if bodiless else _body(self._answers, fields, until_closed=True):
            self._proxy.pace(len(piece))
            if left is not None and left < len(piece):
                self._client.sendall(piece[:left])
                lost = True
                break
            left = None if left is None else left - len(piece)
            if not lost:
                self._client.sendall(piece)
        if lost:
            _reset(self._client)
        return not lost and fields.get("connection", "").lower() != "close"

    def _refuse(self, request: Request, status: int) -> bool:
        time.sleep(self._proxy.latency)
        request.status = status
        code = _CODES.get(status, "InternalError")
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
        head = f"HTTP/1.1 {status} {code}\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n\r\n"
        self._client.sendall(head.encode() + (b"" if request.method == "HEAD" else body))
        return True


def kind_of(method: str, path: str, fields: Mapping[str, str]) -> str:
    """Name what a request asks for: of S3 by its query, else (WebDAV) by its method, in small letters."""
    parts = urlsplit(path)
    query = parse_qs(parts.query, keep_blank_values=True)
    if "uploadId" in query:
        kinds = {"PUT": "part", "POST": "complete", "DELETE": "abort", "GET": "list-parts"}
        return kinds.get(method, method.lower())
    if "uploads" in query:
        return "begin" if method == "POST" else "list-uploads"
    if "delete" in query:
        return "delete-batch"
    if "list-type" in query or "prefix" in query or "versions" in query:
        return "list"
    if "x-amz-copy-source" in fields:
        return "copy"
    in_bucket = (
        "/" not in parts.path.strip("/") and "authorization" in fields and "aws4" in fields["authorization"]
    )
    return f"{method.lower()}-bucket" if in_bucket else method.lower()


def _head(stream: BinaryIO) -> tuple[bytes, list[bytes]]:
    first = stream.readline(_PIECE)
    headers: list[bytes] = []
    while first and (line := stream.readline(_PIECE)) not in (b"\r\n", b"\n", b""):
        headers.append(line)
    return first, headers


def _fields(headers: list[bytes]) -> dict[str, str]:
    pairs = (line.decode("latin-1").partition(":") for line in headers)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _body(stream: BinaryIO, fields: Mapping[str, str], *, until_closed: bool = False) -> Iterator[bytes]:
    """Give a body's bytes as they are on the wire, with the frames of a chunked one."""
    if fields.get("transfer-encoding", "").lower() == "chunked":
        while size := stream.readline(_PIECE):
            yield size + stream.read(int(size.split(b";")[0], 16) + 2)
            if int(size.split(b";")[0], 16) == 0:
                return
    left = int(fields.get("content-length", -1 if until_closed else 0))
    while left and (piece := stream.read(min(_PIECE, left) if left > 0 else _PIECE)):
        left -= len(piece) if left > 0 else 0
        yield piece


def _reset(opened: socket.socket) -> None:
    """End a connection at once, so that the other end sees that it was reset."""
    with contextlib.suppress(OSError):
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        opened.shutdown(socket.SHUT_RDWR)
