"""Who asks, and whether they may: by a bearer token, by the dashboard's session, or because nobody else can ask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lattice_addons.errors import NoAccessError, SettingsError
from lattice_addons.service.access._origin import check_host, check_origin, is_loopback, is_simple, is_unsafe
from lattice_addons.service.access._sessions import COOKIE, Sessions

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import HTTPConnection

    from lattice_addons.service.access._tokens import Token, Tokens

__all__ = ["Access", "Caller", "check_listening", "fields_of"]

CSRF_HEADER = "x-lattice-csrf"
CSRF_FIELD = "csrf"
_OBJECTS = ("/v1/jobs/", "/v1/store/")  # what programs ask for, with a token of their own
_UNAUTHORIZED, _FORBIDDEN = 401, 403
_LONGEST_FORM = 1 << 20


def check_listening(host: str, tokens: Tokens | None) -> None:
    """Refuse to listen where others can ask, when nobody has a token."""
    if is_loopback(host) or (tokens is not None and tokens.list()):
        return
    message = (
        f"--host {host} lets other machines ask, and there is no token yet: make one with "
        "`lattice token create PREFIX --rights write` and the same --root; or listen on 127.0.0.1 only"
    )
    raise SettingsError(message, variable="--host", part=host)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks."""

    name: str  # the id of a token, or else an address
    token: Token | None  # None: nobody needs one here
    session: str | None = None  # of the dashboard

    def may(self, job: str | None, right: str) -> bool:
        """Say whether they may do this with a job, or with all (None)."""
        return self.token is None or self.token.allows(job, right)


class Access:
    """The one question that each route asks.

    Where no token is ``required`` only this machine can ask, and all is allowed; but a page of another site, open
    in a browser here, must not: the request's host must be this machine's, and it must not come from elsewhere.
    """

    def __init__(self, tokens: Tokens | None, required: bool | None = None) -> None:  # noqa: FBT001 - two cases
        self.tokens = tokens
        self.required: bool = tokens is not None if required is None else required
        if self.required and tokens is None:
            raise SettingsError("a token is required, and there are none", variable="--host", part="")
        self.sessions: Sessions = Sessions(tokens)

    def caller(self, request: HTTPConnection) -> Caller:
        """Say who asks; `NoAccessError` when that is nobody known."""
        address = request.client.host if request.client is not None else "local"
        token = self.tokens.find(_shown(request)) if self.tokens is not None else None
        if not self.required:
            check_host(request)
            session, _ = self.sessions.find(request.cookies.get(COOKIE, ""))
            return Caller(address if token is None else token.id, None, session)
        if token is not None:
            return Caller(token.id, token)
        if _shown(request):
            raise _unknown(request, "its token is not, or no longer, in force")
        if not request.url.path.startswith(_OBJECTS):
            session, token = self.sessions.find(request.cookies.get(COOKIE, ""))
            if token is not None:
                return Caller(token.id, token, session)
        raise _unknown(request, "it shows no token")

    async def learn(self, request: HTTPConnection, shown: str | None = None) -> bool:
        """Look whether a token that is not known here was made a moment ago; say whether it was looked."""
        shown = _shown(request) if shown is None else shown
        if self.tokens is None or self.tokens.knows(shown):
            return False
        from starlette.concurrency import run_in_threadpool

        await run_in_threadpool(self.tokens.refresh)
        return True

    def allows(self, request: HTTPConnection, job: str | None, right: str) -> None:
        """Return when who asks may read, write or administer a job, or all there are (None).

        Raises:
            NoAccessError: they may not; ``status`` is 401 where nobody is known, 403 otherwise.
        """
        caller = self.caller(request)
        self._check_intended(request, caller)
        if not caller.may(job, right):
            raise _refused(request, caller, job, right)

    def visible(self, request: HTTPConnection) -> Callable[[str], bool]:
        """Give what says of a job whether who asks may know of it, as long as their token is in force."""
        caller = self.caller(request)
        # Also in a minute: a stream of events must end to show what was revoked meanwhile.
        return lambda job: self._is_in_force(caller) and caller.may(job, "read")

    def _is_in_force(self, caller: Caller) -> bool:
        token = caller.token
        return token is None or self.tokens is None or self.tokens.in_force(token.id) is not None

    def csrf(self, request: HTTPConnection) -> str:
        """Give what a page puts into its forms (field ``csrf``) or sends along (``X-Lattice-CSRF``)."""
        return self.sessions.csrf(self.caller(request).session)

    async def form(self, request: HTTPConnection) -> dict[str, str]:
        """Give the fields of a form that a page of ours has sent; to be called before `allows`.

        Raises:
            NoAccessError: another site's page may have sent it.
        """
        fields = await fields_of(request)
        check_origin(request)
        if not self.sessions.is_csrf(self.caller(request).session, fields.pop(CSRF_FIELD, "")):
            raise _not_intended(request)
        request.scope["lattice.intended"] = True
        return fields

    def _check_intended(self, request: HTTPConnection, caller: Caller) -> None:
        """Refuse a change that a browser may make for another site's page."""
        by_token = caller.token is not None and caller.session is None
        if by_token or not is_unsafe(request) or request.scope.get("lattice.intended"):
            return
        check_origin(request)
        given = request.headers.get(CSRF_HEADER, "")
        if is_simple(request) and not self.sessions.is_csrf(caller.session, given):
            raise _not_intended(request)


def _shown(request: HTTPConnection) -> str:
    """Give the token that a program shows; nothing where it shows none."""
    scheme, _, shown = request.headers.get("authorization", "").partition(" ")
    return shown.strip() if scheme.lower() == "bearer" else ""


async def fields_of(request: HTTPConnection, most: int = _LONGEST_FORM) -> dict[str, str]:
    """Read a form as browsers send it by default, up to a length; no file can be in it."""
    from urllib.parse import parse_qsl

    body = bytearray()
    async for piece in request.stream():  # type: ignore[attr-defined]  # what has a form is a Request
        body += piece
        if len(body) > most:
            raise _refused_form(request)
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=1000))
    except ValueError:
        raise _refused_form(request) from None


def _unknown(request: HTTPConnection, why: str) -> NoAccessError:
    message = (
        f"the service lets nobody in without a token, and {why}: set LATTICE_CHECKPOINT_TOKEN to one "
        "(who runs the service makes it: `lattice token create PREFIX --rights write`)"
    )
    return NoAccessError(message, url=_place(request), status=_UNAUTHORIZED)


def _refused(request: HTTPConnection, caller: Caller, job: str | None, right: str) -> NoAccessError:
    token = caller.token
    if token is None:
        opens = "nothing"
    elif token.exact:
        opens = f"{token.rights} job {token.prefix!r}"
    else:
        opens = f"{token.rights} " + (
            f"jobs whose names begin with {token.prefix!r}" if token.prefix else "all jobs"
        )
    what = f"job {job!r}" if job is not None else "all jobs"
    message = (
        f"token {caller.name} may not {right} {what}, only {opens}: use another, or ask who runs the service for one "
        f"(`lattice token create PREFIX --rights {right}`)"
    )
    return NoAccessError(message, url=_place(request), status=_FORBIDDEN)


def _not_intended(request: HTTPConnection) -> NoAccessError:
    message = (
        "the request did not come from a page of this service, or from one that is too old: load the page again; "
        f"a program shows a token, sends JSON, or sends the header {CSRF_HEADER}"
    )
    return NoAccessError(message, url=_place(request), status=_FORBIDDEN)


def _refused_form(request: HTTPConnection) -> NoAccessError:
    message = "the form is longer than any of ours, or is none: load the page again"
    return NoAccessError(message, url=_place(request), status=_FORBIDDEN)


def _place(request: HTTPConnection) -> str:
    return f"{request.url.scheme}://{request.url.netloc}"
