"""The login page's form: a token goes in, a session's cookie comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from lattice_addons.service.access._access import fields_of
from lattice_addons.service.access._origin import check_origin
from lattice_addons.service.access._sessions import COOKIE, SECONDS

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from lattice_addons.service.access._access import Access

__all__ = ["login_routes"]

_SEE_OTHER = 303
_LONGEST = 8192  # bytes of its form: anybody may send one


def login_routes(access: Access) -> list[Route]:
    """Give what takes the form of the page at ``/login`` (fields ``token`` and ``next``), and that at ``/logout``."""
    from starlette.routing import Route

    async def log_in(request: Request) -> Response:
        from starlette.responses import RedirectResponse

        check_origin(request)
        fields = await fields_of(request, _LONGEST)
        path = _path(fields.get("next", "/"))
        shown = fields.get("token", "").strip()
        await access.learn(request, shown)
        token = access.tokens.find(shown) if access.tokens is not None else None
        if token is None:
            wrong = urlencode({"failed": "1", "next": path})
            return RedirectResponse(f"/login?{wrong}" if access.required else path, _SEE_OTHER)
        answer = RedirectResponse(path, _SEE_OTHER)
        secure = request.url.scheme == "https"
        session = access.sessions.begin(token)
        answer.set_cookie(COOKIE, session, SECONDS, httponly=True, samesite="strict", secure=secure)
        return answer

    async def log_out(request: Request) -> Response:
        from starlette.responses import RedirectResponse

        await access.form(request)
        access.sessions.end(request.cookies.get(COOKIE, ""))
        answer = RedirectResponse("/login", _SEE_OTHER)
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return answer

    return [Route("/login", log_in, methods=["POST"]), Route("/logout", log_out, methods=["POST"])]


def _path(text: str) -> str:
    """Give where to go then: a page of this service, whatever the address said."""
    plain = text.isprintable() and "\\" not in text and not text.startswith("//")
    return text if plain and text.startswith("/") and not urlsplit(text).netloc else "/"
