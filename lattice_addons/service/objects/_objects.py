"""An object of a job is read by ranges, in pieces, past the event loop."""

from __future__ import annotations

import asyncio
import logging
from contextlib import ExitStack
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.responses import Response

from lattice_addons.errors import LatticeError, NotInStoreError
from lattice_addons.service._gone import gone
from lattice_addons.service._threads import settled

from ._ask import etag, has, match_on, wanted
from ._place import allow, key_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from lattice_addons.service._threads import Threads
    from lattice_addons.storage import Listed, Reader

__all__ = ["headers_of", "read"]

_log = logging.getLogger("lattice_addons.service")
# Nothing that a program has stored is ever taken for a page of this site.
_ALWAYS = {
    "accept-ranges": "bytes",
    "cache-control": "private, no-cache",
    "content-security-policy": "default-src 'none'; sandbox",
    "x-content-type-options": "nosniff",
}


async def read(request: Request) -> Response:
    """Give an object, or a range of it; of a HEAD request the headers alone."""
    allow(request, "read")
    key, state = key_of(request), request.app.state
    opened = ExitStack()
    try:
        reader: Reader = await state.threads.run(lambda: opened.enter_context(state.store.reading(key)))
        match_on(request.headers, reader.facts.tag)
        answer = _answer(request, reader, opened, state.threads)
    except NotInStoreError:
        match_on(request.headers, None)
        raise
    except BaseException:
        opened.close()
        raise
    if not isinstance(answer, _Pieces):
        opened.close()
    return answer


def _answer(request: Request, reader: Reader, opened: ExitStack, threads: Threads) -> Response:
    tag, headers = reader.facts.tag, headers_of(reader.facts)
    if has(request.headers, tag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    span = wanted(request.headers, reader.size, tag)
    start, stop = span or (0, reader.size)
    headers |= {"content-length": str(stop - start), "content-type": "application/octet-stream"}
    status = HTTPStatus.OK
    if span is not None:
        status = HTTPStatus.PARTIAL_CONTENT
        headers["content-range"] = f"bytes {start}-{stop - 1}/{reader.size}"
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers)
    return _Pieces(status, headers, threads, opened, reader, start, stop)


def headers_of(facts: Listed) -> dict[str, str]:
    """Give what an answer says of an object."""
    headers = dict(_ALWAYS)
    if facts.tag:
        headers["etag"] = etag(facts.tag)
    if facts.modified is not None:
        headers["last-modified"] = formatdate(facts.modified, usegmt=True)
    return headers


class _Pieces(Response):
    """A range of an object: one piece is read while the one before it is sent, and no more is in memory."""

    def __init__(  # noqa: PLR0913, PLR0917 - what to read, and from where
        self,
        status: int,
        headers: dict[str, str],
        threads: Threads,
        opened: ExitStack,
        reader: Reader,
        start: int,
        stop: int,
    ) -> None:
        super().__init__(status_code=status, headers=headers)
        self._threads, self._opened, self._reader = threads, opened, reader
        self._at, self._stop = start, stop

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it; who has gone away is not read for."""
        left = asyncio.ensure_future(gone(receive))
        coming: asyncio.Future[bytearray] | None = None
        started = False
        try:
            with self._threads.stream():
                coming = self._next()
                while coming is not None and not left.done():
                    piece = await coming
                    coming = self._next() if self._at < self._stop else None
                    if not started:
                        # Not before: what cannot be read at all is told as what it is.
                        await send(
                            {
                                "type": "http.response.start",
                                "status": self.status_code,
                                "headers": self.raw_headers,
                            }
                        )
                        started = True
                    await send({"type": "http.response.body", "body": piece, "more_body": coming is not None})
        except LatticeError as error:
            if not started:
                raise
            # Too late to tell: the connection is closed before all has come, which is an error to who reads.
            _log.warning("%s: reading stopped in the middle: %s", scope["path"], error)
        finally:
            left.cancel()
            if coming is not None:
                await settled(coming)
            self._opened.close()

    def _next(self) -> asyncio.Future[bytearray]:
        start, self._at = self._at, min(self._at + self._threads.piece, self._stop)
        return asyncio.ensure_future(self._threads.run(self._read, start, self._at))

    def _read(self, start: int, stop: int) -> bytearray:
        data = bytearray(stop - start)
        if data:
            self._reader.read_into(start, memoryview(data))
        return data
