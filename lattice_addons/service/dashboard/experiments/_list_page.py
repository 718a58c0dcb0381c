"""``/experiments``: every experiment, those that run first."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from lattice_addons.service.dashboard._pages import Pages

__all__ = ["routes"]


def routes(pages: Pages) -> list[Route]:
    """Give where the page is."""

    def experiments(request: Request) -> Response:
        may_see = pages.access.visible(request)
        found = pages.experiments.all(may_see, pages.jobs_alone())
        return pages.page(request, "experiments.html", found=found)

    return [pages.route("/experiments", experiments)]
