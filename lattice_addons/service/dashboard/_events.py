"""``/events``: tells an open page that something has changed, so that it asks for what is new."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from starlette.responses import StreamingResponse
from starlette.routing import Route

from ._pages import HEADERS, link

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from starlette.requests import Request
    from starlette.responses import Response

    from lattice_addons.service.view import JobView, Snapshot

    from ._pages import Pages

__all__ = ["of_all", "of_job", "routes"]

_EVERY = 1.5
# A browser asks again; so a server that ends, or a right that is taken away, is noticed by then.
_LASTS = 60
_FLUSH = 10


def routes(pages: Pages) -> list[Route]:
    """Give where events come from: those of one job, or of all that who asks may see."""

    async def events(request: Request) -> Response:
        may_see = pages.access.visible(request)
        job, shown = request.query_params.get("job"), request.query_params.get("shown")
        return StreamingResponse(
            _stream(pages, may_see, job, shown),
            media_type="text/event-stream",
            headers={**HEADERS, "x-accel-buffering": "no"},
        )

    return [Route("/events", events, methods=["GET"])]


def of_all(now: Snapshot, jobs: Iterable[JobView]) -> str:
    """Give where the events of a page come from that shows these jobs.

    What it shows is told with the address: what comes between the page and its events must not be missed.
    """
    return link("/events", shown=_mark(jobs, now))


def of_job(job: JobView) -> str:
    """Give where the events of a page come from whose contents were read after this look at its job."""
    return link("/events", job=job.name, shown=_mark([job]))


def _mark(jobs: Iterable[JobView], now: Snapshot | None = None) -> str:
    """Give what is another one when an open page that shows these jobs is to be made anew."""
    # The page of one job reads its own trend: at a first look at many jobs the ones of those that ended are short.
    shown = tuple((*_what_counts(job), len(job.trend) if now else 0) for job in jobs)
    return f"{hash((shown, now.waiting, now.problem) if now else shown):x}"


async def _stream(
    pages: Pages, may_see: Callable[[str], bool], job: str | None, told: str | None
) -> AsyncIterator[str]:
    yield "retry: 2000\n\n"
    silent = 0
    for _ in range(int(_LASTS / _EVERY)):
        try:
            now = await pages.threads.run(pages.board.now)
        except asyncio.CancelledError:
            # The service ends, or who listened has gone: so does the answer, as a whole one.
            return
        seen = [each for each in now.jobs.values() if may_see(each.name) and job in (None, each.name)]
        mark = _mark(seen, now if job is None else None)
        silent += 1
        if told is not None and mark != told:
            yield f"event: changed\ndata: {json.dumps({'jobs': len(seen)})}\n\n"
            silent = 0
        elif silent > _FLUSH:
            # Who has gone away is noticed when something is written.
            yield ": \n\n"
            silent = 0
        told = mark
        try:
            await asyncio.sleep(_EVERY)
        except asyncio.CancelledError:
            return


def _what_counts(job: JobView) -> tuple[object, ...]:
    """Give what is worth a new look: not that a second has passed, which a page tells by itself."""
    saved = job.state, job.number, job.last, job.checkpoints, job.problem, job.refused
    return job.name, job.ranks, job.pid, *saved
