"""Where a request comes from, as a browser says it: a page elsewhere must not act through the one who looks at it."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lattice_addons.errors import NoAccessError

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

__all__ = ["check_host", "check_origin", "is_loopback", "is_simple", "is_unsafe"]

_SAFE = ("GET", "HEAD", "OPTIONS")
# A page of any site can send these anywhere, without asking first.
_SIMPLE = ("", "text/plain", "multipart/form-data", "application/x-www-form-urlencoded")
_FORBIDDEN = 403


def is_loopback(host: str) -> bool:
    """Say whether only this machine can reach what listens there; a name is not asked for, but for one.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_unsafe(request: HTTPConnection) -> bool:
    """Say whether a request may change something."""
    return request.scope.get("method", "GET") not in _SAFE


def is_simple(request: HTTPConnection) -> bool:
    """Say whether a page of another site could have sent it without asking first."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return request.scope.get("method") == "POST" and kind in _SIMPLE


def check_host(request: HTTPConnection) -> None:
    """Refuse a request to another name: a page elsewhere may have given this machine's address to its own name."""
    named = request.headers.getlist("host")
    if len(named) == 1 and is_loopback(_host(named[0])):
        return
    told = ", ".join(named) or "no host"
    message = (
        f"the request is for {told!r}, and without tokens the service is for this machine only: ask it as 127.0.0.1 or "
        "localhost, or make a token (`lattice token create`) and listen elsewhere"
    )
    raise NoAccessError(message, url="", status=_FORBIDDEN)


def check_origin(request: HTTPConnection) -> None:
    """Refuse what a browser says to have come from another site's page."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        same = site in ("same-origin", "none")
    else:
        # Without TLS browsers say only this; behind a proxy, with it, the host is another one.
        same = origin is None or _netloc(origin) == request.headers.get("host", "").lower()
    if same:
        return
    message = (
        f"the request was made by a page of {origin or 'another site'}: only this service's own pages may"
    )
    raise NoAccessError(message, url="", status=_FORBIDDEN)


def _netloc(origin: str) -> str | None:
    """Give the host and port of an origin; None of what is none."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


def _host(netloc: str) -> str:
    """Give the host of ``host:port``; nothing of what is neither."""
    try:
        return urlsplit(f"//{netloc}").hostname or "" if "@" not in netloc else ""
    except ValueError:
        return ""
