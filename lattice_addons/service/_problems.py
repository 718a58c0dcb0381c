"""What went wrong, as problem+json: our error's name, its words, its hint, its facts."""

from __future__ import annotations

import errno
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import orjson
from starlette.exceptions import HTTPException
from starlette.responses import Response

from lattice_addons.errors import (
    DamagedError,
    LatticeError,
    LeaseHeldError,
    NoAccessError,
    NotInStoreError,
    OverQuotaError,
    SettingsError,
    StoreError,
    TooLargeError,
    TooManyRequestsError,
    UnknownSlotError,
    UnreachableError,
)

if TYPE_CHECKING:
    from starlette.requests import Request

__all__ = ["HINTS", "MEDIA_TYPE", "answer", "refusal"]

MEDIA_TYPE = "application/problem+json"
_log = logging.getLogger("lattice_addons.service")
_FULL = (errno.ENOSPC, errno.EDQUOT)
# A folder stands where a key is asked for, or the other way round: to ask again does not help.
_NO_PLACE = (errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG)
_BY_TYPE: tuple[tuple[type[BaseException], HTTPStatus], ...] = (
    (OverQuotaError, HTTPStatus.INSUFFICIENT_STORAGE),
    (TooLargeError, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (TooManyRequestsError, HTTPStatus.TOO_MANY_REQUESTS),
    (NotInStoreError, HTTPStatus.NOT_FOUND),
    (UnknownSlotError, HTTPStatus.NOT_FOUND),
    (NoAccessError, HTTPStatus.FORBIDDEN),
    (UnreachableError, HTTPStatus.BAD_GATEWAY),
    (LeaseHeldError, HTTPStatus.CONFLICT),
    (SettingsError, HTTPStatus.BAD_REQUEST),
    # The store's own bytes are wrong, whoever asks for them.
    (DamagedError, HTTPStatus.INTERNAL_SERVER_ERROR),
)
# The texts of our errors end with what helps, behind one of these.
HINTS = ("; ", ": ")
_FACTS = (
    "key",
    "job",
    "host",
    "pid",
    "errno",
    "variable",
    "part",
    "seconds",
    "limit",
    "used",
    "quota",
    "size",
    "digest",
)


def refusal(status: int, message: str, **facts: object) -> StoreError:
    """Make the error for a request that cannot be served as it is."""
    return StoreError(message, url="", status=int(status), **facts)


async def answer(request: Request, error: Exception) -> Response:
    """Answer with what went wrong; of an error that is none of ours, no more than that there was one."""
    if isinstance(error, HTTPException):
        message = f"{request.method} {request.url.path}: {error.detail}; /openapi.json says what there is"
        headers, error = dict(error.headers or {}), refusal(error.status_code, message)
    else:
        headers = dict(getattr(error, "headers", None) or {})
    if isinstance(error, OSError) and not isinstance(error, LatticeError) and error.errno in _FULL:
        error = StoreError(
            f"the service has no room ({error.strerror}): make some, then send it again", url=""
        )
        error.errno = errno.ENOSPC
    if not isinstance(error, LatticeError):
        _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        error = LatticeError("the service has a fault, and its log says which: tell its makers")
    status = _status(error)
    if status == HTTPStatus.UNAUTHORIZED:
        headers["www-authenticate"] = "Bearer"
    if isinstance(error, TooManyRequestsError):
        headers["retry-after"] = str(max(round(float(getattr(error, "seconds", 1.0)) + 0.5), 1))
    body = b"" if request.method == "HEAD" else orjson.dumps(_body(request, status, error), default=str)
    return Response(body, status_code=status, headers=headers, media_type=MEDIA_TYPE)


def _status(error: LatticeError) -> int:
    told = getattr(error, "status", None)
    if isinstance(told, int):
        return told
    number = getattr(error, "errno", None)
    if number in _FULL:
        return HTTPStatus.INSUFFICIENT_STORAGE
    if number == errno.EEXIST:
        return HTTPStatus.PRECONDITION_FAILED
    if number in _NO_PLACE:
        return HTTPStatus.CONFLICT
    found = next((status for kind, status in _BY_TYPE if isinstance(error, kind)), None)
    if found is not None:
        return found
    # Without a number of the system's it is about a key that is none.
    named = isinstance(error, StoreError) and number is None
    return HTTPStatus.BAD_REQUEST if named else HTTPStatus.INTERNAL_SERVER_ERROR


def _body(request: Request, status: int, error: LatticeError) -> dict[str, Any]:
    """Say all of it, and nothing of where the store lies on the server."""
    detail = _without_place(str(error), request)
    facts = {name: getattr(error, name, None) for name in _FACTS}
    facts = {
        name: _without_place(fact, request) if isinstance(fact, str) else fact for name, fact in facts.items()
    }
    return {
        "type": type(error).__name__,
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "hint": next((detail.rpartition(mark)[2] for mark in HINTS if mark in detail), ""),
        **{name: fact for name, fact in facts.items() if fact not in (None, "")},
    }


def _without_place(text: str, request: Request) -> str:
    url: str = request.app.state.store.url
    return text.replace(url, f"lattice://{request.url.netloc}") if len(url) > 1 else text
