"""Connections to one server: kept open and used again, and given up when nothing moves on them."""

from __future__ import annotations

import http.client
import os
import select
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from lattice_addons.storage.remote._patience import Pulse, in_thread

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from lattice_addons._service_url import Address

__all__ = ["Answer", "Ask", "Body", "Connections", "in_memory"]

_PIECE = 256 << 10  # bytes that are handed to the system at once: a deadline is for each of them
_KEPT = 16
_TOO_OLD = 30.0  # seconds without a request after which somebody on the way may have forgotten a connection
_SLOWEST_STORE = 8 << 20  # bytes a second that a server makes durable, at least
_LONGEST_ERROR = 1 << 20
# A connection that ends in the middle, as ssl names it, which is imported for TLS alone.
_TLS_CUT_OFF = frozenset({"SSLEOFError", "SSLZeroReturnError", "SSLSyscallError"})


class Body(Protocol):
    """Bytes on their way, which can be sent again from their beginning."""

    def read(self, size: int = -1, /) -> bytes:
        """Give the next bytes, none at the end."""


class Ask(NamedTuple):
    """One request; ``most`` is how many bytes its answer may have, where that is known."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Body | None = None
    length: int = 0
    most: int | None = None


class Answer(NamedTuple):
    """What came back, whole; the names of its headers are in small letters."""

    status: int
    headers: Mapping[str, str]
    data: bytes


class Connections:
    """What a process has open to one server; a forked child has its own."""

    def __init__(self, address: Address, cafile: str | None = None) -> None:
        self._address = address
        self._cafile = cafile
        self._lock = threading.Lock()
        self._idle: list[tuple[float, http.client.HTTPConnection]] = []
        self._pid = os.getpid()
        self._context: ssl.SSLContext | None = None
        # Nobody else closes them. Not at exit: then the sockets go with the process.
        weakref.finalize(self, _close_all, self._idle).atexit = False

    def exchange(self, ask: Ask, pulse: Pulse) -> Answer:
        """Make one request, once; what goes wrong is an OSError or an HTTPException."""
        connection = self._kept() or self._opened(pulse)
        try:
            whole = self._send(connection, ask, pulse)
            answer, reusable = self._hear(connection, ask, pulse)
        except BaseException as error:
            connection.close()
            if type(error).__name__ in _TLS_CUT_OFF:
                raise ConnectionResetError(str(error)) from error
            raise
        if whole and reusable:
            self._keep(connection)
        else:
            connection.close()
        return answer

    # -- connections

    def _kept(self) -> http.client.HTTPConnection | None:
        """Give the connection that was used last, unless the server has closed it."""
        while True:
            with self._lock:
                if self._pid != os.getpid():
                    _close_all(self._idle)  # the parent's stay open there
                    self._pid = os.getpid()
                if not self._idle:
                    return None
                since, connection = self._idle.pop()
            # Nothing is to be read from it: else it is closed, or out of step.
            if time.monotonic() - since < _TOO_OLD and not _is_readable(connection.sock):
                return connection
            connection.close()

    def _keep(self, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            if self._pid == os.getpid() and len(self._idle) < _KEPT:
                self._idle.append((time.monotonic(), connection))
                return
        connection.close()

    def _opened(self, pulse: Pulse) -> http.client.HTTPConnection:
        """Connect, within the deadline also where the name has many addresses, or is not answered for."""
        connection = self._made(pulse.idle)
        in_thread(connection.connect, pulse)
        pulse.beat()
        return connection

    def _made(self, seconds: float) -> http.client.HTTPConnection:
        host, port = self._address.host, self._address.port
        if not self._address.secure:
            return http.client.HTTPConnection(host, port, timeout=seconds)
        import ssl

        if self._context is None:
            self._context = ssl.create_default_context(cafile=self._cafile)
            self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        return http.client.HTTPSConnection(host, port, timeout=seconds, context=self._context)

    # -- one request

    def _send(self, connection: http.client.HTTPConnection, ask: Ask, pulse: Pulse) -> bool:
        """Send a request; say whether all of it was taken, which it need not be where the answer is no."""
        socket = connection.sock
        socket.settimeout(pulse.idle)
        connection.putrequest(ask.method, ask.path, skip_accept_encoding=True)
        for name, value in ask.headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        left = ask.length
        try:
            while left and ask.body is not None:
                piece = ask.body.read(min(_PIECE, left))
                if not piece:
                    raise OSError(f"the body ends {left} bytes early")
                if self._address.secure:
                    socket.sendall(piece)
                elif not _taken(socket, piece, pulse.idle):
                    return False  # it has answered before it had all: it is no use to send the rest
                pulse.beat()
                left -= len(piece)
        except (BrokenPipeError, ConnectionResetError):
            return False  # what it has said before it closed is there still
        return True

    def _hear(self, connection: http.client.HTTPConnection, ask: Ask, pulse: Pulse) -> tuple[Answer, bool]:
        """Take the answer; say whether the connection can be used again."""
        socket = connection.sock
        # It answers when the bytes are durable.
        socket.settimeout(pulse.idle + ask.length / _SLOWEST_STORE)
        response = connection.getresponse()
        pulse.beat()
        socket.settimeout(pulse.idle)
        headers = {name.lower(): value for name, value in response.getheaders()}
        most = ask.most if response.status < http.client.BAD_REQUEST else _LONGEST_ERROR
        data = response.read() if most is None else response.read(most + 1)
        if most is not None and len(data) > most:
            raise http.client.HTTPException(f"it answers more than the {most} bytes that were asked for")
        promised = headers.get("content-length")
        if ask.method != "HEAD" and promised is not None and promised != str(len(data)):
            raise ConnectionResetError(f"{len(data)} of {promised} bytes came")
        return Answer(response.status, headers, data), response.isclosed() and not response.will_close


def _close_all(idle: list[tuple[float, http.client.HTTPConnection]]) -> None:
    while idle:
        idle.pop()[1].close()


def in_memory(data: bytes) -> Body:
    """Make a body of bytes."""
    import io

    return io.BytesIO(data)


def _taken(socket: Any, piece: bytes, seconds: float) -> bool:  # noqa: ANN401 - a socket
    """Send bytes; not to the end, where an answer comes before: who has refused them need not read them."""
    waiting = select.poll()
    waiting.register(socket, select.POLLIN | select.POLLOUT)
    left = memoryview(piece)
    while left:
        events = waiting.poll(seconds * 1000)
        if not events:
            raise TimeoutError("timed out")
        if events[0][1] & select.POLLIN:
            return False
        left = left[socket.send(left) :]
    return True


def _is_readable(socket: Any) -> bool:  # noqa: ANN401 - a socket, also one by TLS
    waiting = select.poll()
    waiting.register(socket, select.POLLIN)
    return bool(waiting.poll(0))
