"""Each page has a file, and each file says where its pages are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles

from lattice_addons.errors import LatticeError
from lattice_addons.service._metrics import Metrics
from lattice_addons.service._problems import answer
from lattice_addons.service.access import Access, login_routes

from . import (
    _api,
    _checkpoint_page,
    _compare_page,
    _events,
    _job_page,
    _jobs_page,
    _login_page,
    _slot_page,
    acts,
    experiments,
)
from ._pages import Pages

if TYPE_CHECKING:
    from lattice_addons.settings import Settings
    from lattice_addons.storage import Store

__all__ = ["dashboard_app", "routes"]

# A room of pages gives its `routes(pages)`.
_ROOMS = (
    _jobs_page,
    _job_page,
    _checkpoint_page,
    acts,
    experiments,
    _compare_page,
    _slot_page,
    _login_page,
    _events,
    _api,
)


def routes(
    store: Store, access: Access, settings: Settings | None = None, beside: Store | None = None
) -> list[BaseRoute]:
    """Give the routes of the dashboard of a store, and of experiments ``beside`` it, which are at the top of a site."""
    pages = Pages(store, access, settings, beside)
    static = Mount("/static", StaticFiles(directory=Path(__file__).with_name("static")), name="static")
    return [*(route for room in _ROOMS for route in room.routes(pages)), static]


def dashboard_app(store: Store, settings: Settings | None = None, beside: Store | None = None) -> Starlette:
    """Make the ASGI application that is a dashboard alone, for who is at this machine."""
    access, counted = Access(None), Metrics()
    app = Starlette(
        routes=[*routes(store, access, settings, beside), *login_routes(access)],
        middleware=[Middleware(counted.count)],
        exception_handlers={LatticeError: answer, HTTPException: answer},
    )
    app.router.redirect_slashes = False
    app.state.store, app.state.metrics = store, counted
    return app
