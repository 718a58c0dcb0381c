"""The service: a store's objects over HTTP, its dashboard, its health."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Route

from lattice_addons.errors import LatticeError
from lattice_addons.service.access import Access, Gate, Limits, Watching, login_routes
from lattice_addons.service.dashboard import routes as dashboard_routes
from lattice_addons.service.objects import Changing, Repeats, object_routes

from ._health import healthz
from ._metrics import Metrics, metrics
from ._openapi import openapi
from ._problems import answer
from ._root import open_root
from ._threads import Threads

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.routing import BaseRoute

    from lattice_addons.service.access import Audit, Tokens
    from lattice_addons.storage import Store

__all__ = ["make_app"]


def make_app(
    store: Store | str,
    *,
    tokens: Tokens | None = None,
    limits: Limits | None = None,
    audit: Audit | None = None,
    required: bool | None = None,
) -> Starlette:
    """Make the ASGI application that serves a store, or what lies at a URL.

    Without ``tokens`` only this machine may ask; with them each request needs one, unless ``required`` is False.
    """
    opened = open_root(store) if isinstance(store, str) else store
    access = Access(tokens, required)
    counted = Metrics()
    gate = Middleware(Gate, store=opened, access=access, limits=limits or Limits(), audit=audit)
    app = Starlette(
        routes=[*_own_routes(), *object_routes(), *login_routes(access), *dashboard_routes(opened, access)],
        middleware=[Middleware(counted.count), gate],
        exception_handlers={LatticeError: answer, HTTPException: answer, OSError: answer},
        lifespan=_life,
    )
    app.router.redirect_slashes = False
    app.state.store, app.state.access, app.state.tokens = opened, access, tokens
    app.state.threads, app.state.changing, app.state.metrics = Threads(), Changing(), counted
    app.state.repeats = Repeats()
    return app


def _own_routes() -> list[BaseRoute]:
    return [Route("/healthz", healthz), Route("/metrics", metrics), Route("/openapi.json", openapi)]


@asynccontextmanager
async def _life(app: Starlette) -> AsyncIterator[None]:
    """Look after the tokens as long as the service runs, and remove what one that was killed left half written."""
    state = app.state
    watching = Watching(state.tokens) if state.tokens is not None else None
    sweeping = asyncio.ensure_future(state.threads.run(state.store.sweep))
    try:
        yield
    finally:
        with suppress(asyncio.CancelledError, LatticeError):
            await sweeping
        if watching is not None:
            await state.threads.run(watching.close)
        state.threads.close()
