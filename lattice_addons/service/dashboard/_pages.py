"""What all pages have in common: who may see them, how they are made of a template, and what a browser may do there."""

from __future__ import annotations

import functools
import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar
from urllib.parse import urlencode

import jinja2
from starlette.convertors import IntegerConvertor, register_url_convertor
from starlette.responses import HTMLResponse, RedirectResponse
from starlette.routing import Route

from lattice_addons import __version__
from lattice_addons.checkpoint import ranks
from lattice_addons.errors import (
    CheckpointError,
    LatticeError,
    NoAccessError,
    NotInStoreError,
    OverrideError,
    SettingsError,
    StoreError,
    UnknownSlotError,
)
from lattice_addons.service._threads import Threads
from lattice_addons.service.access import COOKIE
from lattice_addons.service.view import Board, Experiments, Jobs, SeriesReader
from lattice_addons.storage import split_key

from . import _words
from ._news import News
from ._steering import Steering

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from lattice_addons.service.access import Access
    from lattice_addons.settings import Settings
    from lattice_addons.storage import Store

__all__ = ["HEADERS", "Pages", "link", "number_in", "shallow", "whole_number"]

Given = ParamSpec("Given")
Result = TypeVar("Result")

_HERE = Path(__file__).parent
#: Nothing from elsewhere, nothing inline: what a program stored cannot run even where escaping would fail.
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    # Not `no-referrer`: then a browser would not say either that a form is of this site.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}
_STATUS = (
    (NotInStoreError, 404),
    (UnknownSlotError, 404),
    (CheckpointError, 500),
    # What was typed says nothing, or what cannot be.
    (OverrideError, 400),
    (SettingsError, 400),
)
_UNAUTHORIZED, _FORBIDDEN, _UNAVAILABLE = 401, 403, 503
_AT_ONCE = 8
_NOTHING = {"store_url": "", "csrf": "", "in_session": False, "news": "", "events": ""}
_NUMBER = re.compile("[0-9]{1,15}", re.ASCII)


class _Number(IntegerConvertor):
    """A checkpoint's number in an address; Python reads no number of thousands of digits."""

    regex = _NUMBER.pattern


register_url_convertor("lattice_number", _Number())


class Pages:
    """The pages of one store."""

    def __init__(
        self, store: Store, access: Access, settings: Settings | None = None, beside: Store | None = None
    ) -> None:
        self.store = store
        self.access = access
        self.jobs: Jobs = Jobs(store, settings)
        self.board: Board = Board(self.jobs)
        self.experiments: Experiments = Experiments(store, beside)
        self.series: SeriesReader = SeriesReader(self.jobs.manifests)
        # Apart from those in which programs' objects come and go.
        self.threads: Threads = Threads(_AT_ONCE)
        self.news: News = News()
        self.steering: Steering = Steering()

    def route(self, path: str, make: Callable[[Request], Response], name: str = "") -> Route:
        """Let a function of a thread answer; what goes wrong is a page, too."""

        @functools.wraps(make)
        async def answered(request: Request) -> Response:
            return await self.answered(request, lambda: self.threads.run(shallow(make), request))

        return Route(path, answered, methods=["GET"], name=name or make.__name__)

    async def answered(self, request: Request, make: Callable[[], Awaitable[Response]]) -> Response:
        """Give what is made; what goes wrong is a page, too."""
        try:
            return await make()
        except NoAccessError as error:
            return self._refused(request, error)
        except LatticeError as error:
            status = next((code for kind, code in _STATUS if isinstance(error, kind)), _UNAVAILABLE)
            return await self.threads.run(self.problem, request, str(error), status)

    def page(self, request: Request, template: str, status: int = 200, **facts: Any) -> Response:  # noqa: ANN401
        """Make a page."""
        told = {
            **_NOTHING,
            "path": request.url.path,
            "store_url": self.store.url,
            "csrf": self.access.csrf(request),
            "in_session": bool(request.cookies.get(COOKIE)) and self.access.required,
            "may": self.access.caller(request).may,
            "news": self.news.told(request.query_params.get("told", "")),
            **facts,
        }
        return HTMLResponse(_templates().get_template(template).render(told), status, HEADERS)

    def bare(self, request: Request, template: str, status: int = 200, **facts: Any) -> Response:  # noqa: ANN401
        """Make a page that says nothing of the store, for whoever asks."""
        told = {**_NOTHING, "path": request.url.path, **facts}
        return HTMLResponse(_templates().get_template(template).render(told), status, HEADERS)

    def problem(self, request: Request, message: str, status: int) -> Response:
        """Make the page that says why there is no other."""
        return self.bare(request, "problem.html", status, message=message, code=status)

    def jobs_alone(self) -> set[str]:
        """Give the jobs in whose folders there is nothing else: no experiment need be looked for there."""
        return self.board.now(fresh=3.0).jobs.keys() - self.jobs.with_others

    def visible_job(self, request: Request) -> str:
        """Give the job of an address that who asks may see; one that they may not is not there for them.

        Raises:
            NoAccessError: nobody known asks.
            NotInStoreError: there is no such job.
        """
        job = str(request.path_params["job"])
        self.check_visible(request, job)
        return job

    def check_visible(self, request: Request, job: str) -> None:
        """Raise `NotInStoreError` where there is no such job for who asks."""
        if not self.access.visible(request)(job) or not (_is_name(job) and ranks(self.store, job)):
            raise NotInStoreError(f"there is no job {job!r} in this store", url=self.store.url, key=job)

    def _refused(self, request: Request, error: NoAccessError) -> Response:
        if getattr(error, "status", _FORBIDDEN) == _UNAUTHORIZED:
            query = f"?{request.url.query}" if request.url.query else ""
            # What is sent to an address of forms is not sent again after that.
            there = request.url.path + query if request.method == "GET" else "/"
            return RedirectResponse(f"/login?{urlencode({'next': there})}", 303)
        return self.problem(request, str(error), _FORBIDDEN)


def shallow(make: Callable[Given, Result]) -> Callable[Given, Result]:
    """Say of data that is nested deeper than Python goes that it is, wherever on the way that is found out."""

    @functools.wraps(make)
    def made(*args: Given.args, **named: Given.kwargs) -> Result:
        try:
            return make(*args, **named)
        except RecursionError:
            message = "something in this checkpoint is nested too deep to be shown; a program that restores it reads it"
            raise CheckpointError(message) from None

    return made


@functools.cache
def _templates() -> jinja2.Environment:
    """Give what makes pages of templates; each is compiled once, whatever stores a process shows."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(_words.WORDS, version=__version__, asset=_asset, link=link)
    return made


def _is_name(job: str) -> bool:
    try:
        return len(split_key(job)) == 1
    except StoreError:
        return False


def number_in(request: Request, name: str, default: int | None = None) -> int | None:
    """Give a whole number of the query; what is none is the default."""
    number = whole_number(request.query_params.get(name, ""))
    return number if number is not None else default


def whole_number(text: str) -> int | None:
    """Read a whole number as people write it; None for anything else, and for one that counts nothing of ours."""
    return int(text) if _NUMBER.fullmatch(text) else None


def link(path: str, /, **query: object) -> str:
    """Give an address with a query; what is None or empty is left out.

    >>> link("/", q="a b", page=None)
    '/?q=a+b'
    """
    told = {name: value for name, value in query.items() if value not in (None, "")}
    return f"{path}{'&' if '?' in path else '?'}{urlencode(told)}" if told else path


@functools.cache
def _asset(name: str) -> str:
    """Give the address of a file of the package, another one when it has changed."""
    digest = hashlib.blake2s((_HERE / "static" / name).read_bytes(), digest_size=6).hexdigest()
    return f"/static/{name}?v={digest}"
