"""Clients that ask a service, or its application, as HTTP says it, and also as no decent client would."""

from __future__ import annotations

import asyncio
import http.client
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from blake3 import blake3

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import ASGIApp

OBJECT = "/v1/jobs/team-1/objects/rank-00000/packs/x"


def digest_of(data: bytes) -> str:
    """Give what a write says of its bytes."""
    return f"blake3={blake3(data).hexdigest()}"


class Client:
    """A client of a service: what it asks, as HTTP says it."""

    def __init__(self, port: int, token: str = "", host: str = "") -> None:
        self.headers = {"authorization": f"Bearer {token}"} if token else {}
        self.headers |= {"host": host} if host else {}
        self.port = port

    def ask(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Ask; give status, headers and what was answered."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, self.headers | named)
            answer = connection.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, told, answer.read()
        finally:
            connection.close()

    def put(self, path: str, data: bytes, **headers: str) -> int:
        """Store an object."""
        return self.ask("PUT", path, data, lattice_digest=digest_of(data), **headers)[0]

    def get(self, path: str) -> int:
        """Ask for something; give only the status."""
        return self.ask("GET", path)[0]


def on_the_wire(port: int, method: str, path: str, token: str) -> bytes:
    """Send a request as it is, without a client that would mend it; give all that is answered."""
    body = b"evil" if method == "PUT" else b""
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n"
    head += f"Lattice-Digest: {digest_of(body)}\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=60) as opened:
        opened.sendall(head.encode("latin-1", "replace") + body)
        answered = bytearray()
        while piece := opened.recv(65536):
            answered += piece
    return bytes(answered)


async def asked(
    app: ASGIApp,
    method: str,
    raw: str,
    body: Sequence[bytes | None] = (b"",),
    pause: float = 0.0,
    **headers: str,
) -> tuple[int, bytes]:
    """Ask an application as a server would; each piece of a body comes after a pause, and None never."""
    pieces = list(body)
    sent: list[Any] = []
    raw, _, query = raw.partition("?")
    given = {"host": "localhost"} | headers
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "path": unquote_to_bytes(raw).decode("utf-8", "replace"),
        "raw_path": raw.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "scheme": "http",
        "server": ("127.0.0.1", 1),
        "client": ("192.0.2.1", 1),
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in given.items()],
    }

    async def receive() -> dict[str, object]:
        await asyncio.sleep(pause)
        piece = pieces.pop(0) if pieces else None
        if piece is None:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)
