"""What is there: the jobs of the store, and the objects of a job, as JSON that is sent while it is made."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import orjson
from starlette.responses import Response, StreamingResponse

from ._place import allow, folder_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from starlette.requests import Request

    from lattice_addons.storage import Listed

__all__ = ["jobs", "loose", "objects"]

_AT_ONCE = 2_000  # entries of a listing that are written down between two looks at other requests


async def jobs(request: Request) -> Response:
    """Name the jobs that who asks may read."""
    state = request.app.state
    may_read = state.access.visible(request)
    names = await state.threads.run(state.store.folders)
    told = {"jobs": [name for name in names if not name.startswith(".") and may_read(name)]}
    return Response(orjson.dumps(told), media_type="application/json")


async def objects(request: Request) -> Response:
    """Tell of every object of a job, or of those below a folder of it."""
    job = allow(request, "read")
    state = request.app.state
    found = await state.threads.run(state.store.listing, folder_of(request))
    cut = len(f"{job}/")
    return _told((key[cut:], facts) for key, facts in found.items())


async def loose(request: Request) -> Response:
    """Tell of the objects that lie in no job."""
    allow(request, "read")
    state = request.app.state
    found = await state.threads.run(state.store.listing)
    return _told((key, facts) for key, facts in found.items() if "/" not in key)


def _told(entries: Iterable[tuple[str, Listed]]) -> Response:
    return StreamingResponse(_written(iter(entries)), media_type="application/json")


async def _written(entries: Iterable[tuple[str, Listed]]) -> AsyncIterator[bytes]:
    yield b'{"objects":['
    before = b""
    while some := [{"key": key, **facts._asdict()} for key, facts in islice(entries, _AT_ONCE)]:
        yield before + orjson.dumps(some)[1:-1]
        before = b","
    yield b"]}"
