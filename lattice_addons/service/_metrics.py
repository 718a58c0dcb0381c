"""What the service has done since it began, in Prometheus' text format."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from ._problems import answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Metrics", "metrics"]

_MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BOUNDS = (0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0)
_EVENTS = b"text/event-stream"


class Metrics:
    """Counts of requests, by their methods and answers; never by jobs, of which there may be any number."""

    def __init__(self) -> None:
        self.running = 0
        self.answers: Counter[tuple[str, int]] = Counter()
        self.came: Counter[str] = Counter()
        self.went: Counter[str] = Counter()
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.within: Counter[tuple[str, int]] = Counter()
        self.begun = time.time()
        self.stopping = False
        self._events: set[asyncio.Task[object]] = set()

    def count(self, app: ASGIApp) -> ASGIApp:
        """Give an application that does what another does, and is counted."""

        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            one = _One(self, scope, receive, send)
            self.running += 1
            try:
                await app(scope, one.receive, one.send)
            except asyncio.CancelledError:
                if not self.stopping or asyncio.current_task() not in self._events:
                    raise
                await one.end()
            except Exception as error:
                if one.status:
                    raise
                # Whatever it is, it is told as any problem is.
                await (await answer(Request(scope), error))(scope, receive, one.send)
            finally:
                self.running -= 1
                self._done(one)

        return counted

    def stop(self) -> None:
        """End what would never end by itself: streams of events."""
        self.stopping = True
        for task in self._events:
            task.cancel()

    def is_stream(self, task: asyncio.Task[object]) -> None:
        """Take note of a task that sends events."""
        self._events.add(task)
        task.add_done_callback(self._events.discard)
        if self.stopping:
            task.cancel()

    def _done(self, one: _One) -> None:
        method, seconds = one.method, time.monotonic() - one.begun
        self.answers[method, one.status] += 1
        self.came[method] += one.came
        self.went[method] += one.went
        self.seconds[method] += seconds
        self.within[method, bisect_left(_BOUNDS, seconds)] += 1

    def lines(self) -> Iterator[str]:
        """Give it all, as Prometheus reads it."""
        yield from _head("lattice_start_time_seconds", "gauge", "When the service began, in POSIX seconds.")
        yield f"lattice_start_time_seconds {self.begun:.3f}"
        yield from _head("lattice_requests_running", "gauge", "Requests that are being answered.")
        yield f"lattice_requests_running {self.running}"
        yield from _head(
            "lattice_requests_total", "counter", "Requests that were answered, by method and status."
        )
        for (method, status), count in sorted(self.answers.items()):
            yield f'lattice_requests_total{{method="{method}",status="{status}"}} {count}'
        for name, counts, what in (
            ("lattice_received_bytes_total", self.came, "Bytes of the requests' bodies."),
            ("lattice_sent_bytes_total", self.went, "Bytes of the answers' bodies."),
        ):
            yield from _head(name, "counter", what)
            for method, count in sorted(counts.items()):
                yield f'{name}{{method="{method}"}} {count}'
        yield from self._histogram()

    def _histogram(self) -> Iterator[str]:
        name = "lattice_request_seconds"
        yield from _head(
            name, "histogram", "How long requests took, from their first byte to the last of the answer."
        )
        for method in sorted(self.seconds):
            total = 0
            for number, bound in enumerate((*_BOUNDS, "+Inf")):
                total += self.within[method, number]
                yield f'{name}_bucket{{method="{method}",le="{bound}"}} {total}'
            yield f'{name}_sum{{method="{method}"}} {self.seconds[method]:.6f}'
            yield f'{name}_count{{method="{method}"}} {total}'


class _One:
    """One request, as it is counted."""

    def __init__(self, metrics: Metrics, scope: Scope, receive: Receive, send: Send) -> None:
        # Anybody can send any method; a name for each would be a memory that grows.
        known = ("GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS")
        self.method = scope["method"] if scope["method"] in known else "OTHER"
        self.begun = time.monotonic()
        self.status = self.came = self.went = 0
        self._metrics, self._receive, self._send = metrics, receive, send
        self._ended = False

    async def receive(self) -> Message:
        """Pass on what comes."""
        message = await self._receive()
        self.came += len(message.get("body", b""))
        return message

    async def send(self, message: Message) -> None:
        """Pass on what is answered."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            kind = dict(message.get("headers", ())).get(b"content-type", b"")
            task = asyncio.current_task()
            if kind.startswith(_EVENTS) and task is not None:
                self._metrics.is_stream(task)
        self.went += len(message.get("body", b""))
        self._ended = message["type"] == "http.response.body" and not message.get("more_body", False)
        await self._send(message)

    async def end(self) -> None:
        """End an answer that has begun."""
        if self.status and not self._ended:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})


async def metrics(request: Request) -> Response:
    """Give the counts to who may read all jobs."""
    request.app.state.access.allows(request, None, "read")
    text = "".join(f"{line}\n" for line in request.app.state.metrics.lines())
    return Response(text, headers={"cache-control": "no-store"}, media_type=_MEDIA_TYPE)


def _head(name: str, kind: str, what: str) -> tuple[str, str]:
    return f"# HELP {name} {what}", f"# TYPE {name} {kind}"
