"""Whether the service can do its work: the store answers."""

from __future__ import annotations

import asyncio
import time
from http import HTTPStatus
from typing import TYPE_CHECKING

import orjson
from starlette.responses import Response

from lattice_addons import __version__
from lattice_addons.storage import RemoteStore

if TYPE_CHECKING:
    from starlette.datastructures import State
    from starlette.requests import Request

    from lattice_addons.storage import Store

__all__ = ["healthz"]

_FRESH = 5.0  # seconds for which an answer holds: who asks often does not keep the store from its work


async def healthz(request: Request) -> Response:
    """Say that all is well; 503 and what is wrong, where the store cannot be asked."""
    fault = await _known(request.app.state)
    told = {"status": "fault" if fault else "ok", "version": __version__} | (
        {"fault": fault} if fault else {}
    )
    status = HTTPStatus.SERVICE_UNAVAILABLE if fault else HTTPStatus.OK
    headers = {"cache-control": "no-store"}
    return Response(orjson.dumps(told), status_code=status, headers=headers, media_type="application/json")


async def _known(state: State) -> str:
    """Give the answer that holds, or ask once for all who wait: anybody may ask, and the threads are for others."""
    at, fault = getattr(state, "health", (float("-inf"), ""))
    if time.monotonic() - at <= _FRESH:
        return str(fault)
    asking = getattr(state, "asking", None)
    if asking is None or asking.done():
        asking = state.asking = asyncio.ensure_future(_ask(state))
    return str(await asyncio.shield(asking))


async def _ask(state: State) -> str:
    fault: str = await state.threads.run(_fault, state.store)
    state.health = time.monotonic(), fault
    return fault


def _fault(store: Store) -> str:
    """Name the error that the store raises; its text, which may say where it lies, is in the log."""
    try:
        if isinstance(store, RemoteStore):
            store.check()
        else:
            store.folders()
    except OSError as error:
        return type(error).__name__
    return ""
