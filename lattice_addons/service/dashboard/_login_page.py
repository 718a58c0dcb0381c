"""``/login``: asks for a token, where the service wants one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from ._pages import Pages

__all__ = ["routes"]


def routes(pages: Pages) -> list[Route]:
    """Give where the page is; what takes its form is a part of the service's access."""

    def login(request: Request) -> Response:
        query = request.query_params
        asked, failed = query.get("next", "/"), "failed" in query
        return pages.bare(request, "login.html", 403 if failed else 200, next=asked, failed=failed)

    return [pages.route("/login", login)]
