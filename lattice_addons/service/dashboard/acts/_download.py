"""``/jobs/{job}/checkpoints/{number}/download``: a checkpoint as the one file that `lattice export` writes."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.responses import Response

from lattice_addons.checkpoint import exported
from lattice_addons.errors import LatticeError, NotInStoreError
from lattice_addons.service._gone import gone
from lattice_addons.service.dashboard._pages import HEADERS, number_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request
    from starlette.routing import Route
    from starlette.types import Receive, Scope, Send

    from lattice_addons.service._threads import Threads
    from lattice_addons.service.dashboard._pages import Pages

__all__ = ["routes"]

_log = logging.getLogger("lattice_addons.service")
_PIECE = 1 << 20


def routes(pages: Pages) -> list[Route]:
    """Give where the file is."""

    def download(request: Request) -> Response:
        job = pages.visible_job(request)
        pages.access.allows(request, job, "read")
        rank = number_in(request, "rank", 0) or 0
        number = request.path_params["number"]
        manifests = pages.jobs.manifests
        if number not in manifests.numbers(job, rank):
            message = f"job {job!r} has no checkpoint {number} (any more): a newer one has taken its place"
            raise NotInStoreError(message, url=pages.store.url, key=job)
        line = manifests.line(job, rank)
        pieces = _joined(exported(line, manifests.whole(job, rank, number)))
        # The first one here: what cannot be read at all is a page that says so, and no file.
        first = next(pieces)
        name = f"{job}-{number}.tar" if not rank else f"{job}-rank-{rank}-{number}.tar"
        return _File(name, pages.threads, first, pieces)

    return [pages.route("/jobs/{job}/checkpoints/{number:lattice_number}/download", download)]


def _joined(pieces: Iterator[bytes | memoryview]) -> Iterator[bytes]:
    """Put small pieces together; each is copied, for the next one takes its memory."""
    gathered = bytearray()
    for piece in pieces:
        gathered += piece
        if len(gathered) >= _PIECE:
            yield bytes(gathered)
            gathered.clear()
    yield bytes(gathered)


class _File(Response):
    """A file that is read while it is sent: a piece at a time is in memory."""

    def __init__(self, name: str, threads: Threads, first: bytes, rest: Iterator[bytes]) -> None:
        plain = "".join(
            letter if (letter.isascii() and letter.isalnum()) or letter in "-_." else "_" for letter in name
        )
        super().__init__(
            media_type="application/x-tar",
            headers={
                **HEADERS,
                "content-disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}",
            },
        )
        del self.headers["content-length"]  # how long it is is known at its end
        self._threads, self._first, self._rest = threads, first, rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it; who has gone away is not read for."""
        left = asyncio.ensure_future(gone(receive))
        piece: bytes | None = self._first
        try:
            await send(
                {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
            )
            if scope["method"] == "HEAD":
                # What nobody gets need not be read.
                piece = None
            while piece is not None and not left.done():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                piece = await self._threads.run(next, self._rest, None)
            if piece is None:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except LatticeError as error:
            # Too late to tell: the connection is closed before the end, which the browser says.
            _log.warning("%s: reading stopped in the middle: %s", scope["path"], error)
        finally:
            left.cancel()
            with suppress(asyncio.CancelledError):
                await left
