"""What the errors of file systems, SDKs and servers mean for a remote store, and what to do about them."""

from __future__ import annotations

import errno
import logging
import socket
import time
from typing import TYPE_CHECKING

from lattice_addons.errors import NoAccessError, NotInStoreError, StoreError, UnreachableError
from lattice_addons.storage._faults import already_there, coded, not_there
from lattice_addons.storage.remote._waiting import waits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Where", "meaning", "said"]

_log = logging.getLogger("lattice_addons.storage")

# What a fault means: AGAIN may be over in a moment, AWAY is nobody there; the others are answers.
AGAIN, AWAY, GONE, NO_BUCKET, NO_UPLOAD, THERE, ACCESS, RANGE, UNKNOWN, OTHER = (
    "again",
    "away",
    "gone",
    "no bucket",
    "no upload",
    "there",
    "access",
    "range",
    "unknown",
    "other",
)

# Several calls wait at once, or one after the other: one line is enough for all of them, in seconds.
_TOLD = 60.0

_BY_CODE = {
    "NoSuchBucket": NO_BUCKET,
    "InvalidBucketName": NO_BUCKET,
    "NoSuchUpload": NO_UPLOAD,
    "InvalidPart": NO_UPLOAD,
    "InvalidPartOrder": NO_UPLOAD,
    "EntityTooSmall": NO_UPLOAD,
    "NoSuchKey": GONE,
    "PreconditionFailed": THERE,
    "ConditionalRequestConflict": AGAIN,
    "OperationAborted": AGAIN,
    "SlowDown": AGAIN,
    "RequestTimeout": AGAIN,
    "IncompleteBody": AGAIN,
    "Throttling": AGAIN,
    "ThrottlingException": AGAIN,
    "RequestLimitExceeded": AGAIN,
    "InternalError": AGAIN,
    "InvalidRange": RANGE,
    "AccessDenied": ACCESS,
    "ExpiredToken": ACCESS,
    "InvalidToken": ACCESS,
    "InvalidAccessKeyId": ACCESS,
    "AuthorizationHeaderMalformed": ACCESS,
    "NotImplemented": UNKNOWN,
}
_BY_STATUS = {
    401: ACCESS,
    403: ACCESS,
    404: GONE,
    408: AGAIN,
    409: AGAIN,
    412: THERE,
    416: RANGE,
    429: AGAIN,
    500: AGAIN,
    501: UNKNOWN,
    502: AGAIN,
    503: AGAIN,
    504: AGAIN,
}
# By the names of their classes, for none of these packages need be there.
_BY_NAME = {
    "NoCredentialsError": ACCESS,
    "PartialCredentialsError": ACCESS,
    "CredentialRetrievalError": ACCESS,
    "TokenRetrievalError": ACCESS,
    "PermissionDenied": ACCESS,  # asyncssh: the log-in itself
    "AuthenticationException": ACCESS,  # paramiko
    "EndpointConnectionError": AWAY,
    "ConnectError": AWAY,  # httpx
    "ClientConnectorError": AWAY,  # aiohttp
    "HTTPClientError": AGAIN,  # botocore: connections that break
    "ClientConnectionError": AGAIN,  # aiohttp
    "ClientPayloadError": AGAIN,
    "TransportError": AGAIN,  # httpx
    "ConnectionLost": AGAIN,  # asyncssh
    "SFTPConnectionLost": AGAIN,
    "SFTPNoConnection": AGAIN,
    "IncompleteRead": AGAIN,
    "Postponed": AGAIN,  # our own service
    "ResponseParserError": AGAIN,  # what throttled stores answer is not always XML
    "ResourceAlreadyExists": THERE,  # webdav4
    "ResourceNotFound": GONE,
    "ResourceConflict": GONE,  # the folder above is not there
    "SFTPFileAlreadyExists": THERE,
}
_BY_TYPE = (
    (FileNotFoundError, GONE),
    (FileExistsError, THERE),
    (PermissionError, ACCESS),
    (NotImplementedError, UNKNOWN),
    (ConnectionRefusedError, AWAY),
    (socket.gaierror, AWAY),
    (TimeoutError, AGAIN),
    (ConnectionError, AGAIN),
)
_BY_NUMBER = {
    errno.EHOSTUNREACH: AWAY,
    errno.ENETUNREACH: AWAY,
    errno.EEXIST: THERE,
    errno.ENOENT: GONE,
    errno.EBUSY: AGAIN,
}


def meaning(error: BaseException) -> str:
    """Say what an error means; the answer of a server says more than the type that was made of it."""
    for each in _causes(error):
        code, status = _answer(each)
        if code in _BY_CODE:
            return _BY_CODE[code]
        if status in _BY_STATUS:
            return _BY_STATUS[status]
    for each in _causes(error):
        names = [kind.__name__ for kind in type(each).__mro__]
        found = next((_BY_NAME[name] for name in names if name in _BY_NAME), None)
        found = found or next((means for kind, means in _BY_TYPE if isinstance(each, kind)), None)
        found = found or _BY_NUMBER.get(getattr(each, "errno", None) or 0)
        if found:
            return found
    return OTHER


def said(error: BaseException) -> str:
    """Give what is worth repeating of an error: the server's code and status, or the first line of its text."""
    for each in _causes(error):
        code, status = _answer(each)
        if status:
            return f"{status} {code}".strip() if code != str(status) else code
    deepest = [*_causes(error)][-1]
    text = str(deepest).strip() or str(error).strip()
    return text.splitlines()[0][:200] if text else type(deepest).__name__


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    at: BaseException | None = error
    while at is not None and at not in seen:
        seen.append(at)
        yield at
        at = at.__cause__ or (None if at.__suppress_context__ else at.__context__)


def _answer(error: BaseException) -> tuple[str, int]:
    """Give the code and the status in a server's answer, if the error carries one."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):  # botocore
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return str(response.get("Error", {}).get("Code", "")), int(status or 0)
    for holder, name in (
        (error, "status_code"),
        (error, "status"),
        (response, "status_code"),
        (error, "code"),
    ):
        status = getattr(holder, name, None)  # webdav4 and azure, aiohttp, httpx, gcsfs
        if isinstance(status, int) and 400 <= status < 600:  # noqa: PLR2004 - as HTTP numbers its errors
            return "", int(status)
    return "", 0


class Where:
    """A remote store as its errors name it."""

    def __init__(
        self,
        url: str,
        endpoint: str,
        bucket: str,
        patience: float,
        refused: Callable[[], None] | None = None,
    ) -> None:
        self.url = url
        self.endpoint = endpoint
        self.bucket = bucket
        self.patience = patience
        self._refused = refused  # called when the store refuses the credentials
        self._told = float("-inf")

    def tell_waiting(self, error: BaseException) -> None:
        """Say what is waited for; once."""
        now = time.monotonic()
        if now - self._told < _TOLD:
            return
        self._told = now
        _log.warning(
            "%s does not answer (%s): waiting up to %g s for it", self.endpoint, said(error), self.patience
        )

    def explain(self, error: BaseException, action: str, key: str = "") -> StoreError:
        """Make our error of somebody else's; ``action`` is what was tried, such as ``PutObject`` or ``write``.

        It is to be raised without its cause: what went wrong is in its text, and a hundred lines of an SDK's own
        traceback are in the log.
        """
        _log.debug("%s of %s in %s failed", action, key or "the store", self.url, exc_info=error)
        means = meaning(error)
        if means in (AGAIN, AWAY):
            return self._unreachable(error, action, means)
        if means == ACCESS:
            return self._no_access(error, action, key)
        if means == NO_BUCKET:
            message = f"bucket {self.bucket} does not exist at {self.endpoint}; make it, or correct root="
            return coded(NotInStoreError(message, url=self.url, key=key), errno.ENOENT)
        if means == GONE:
            return not_there(self.url, key or "the store's folder")
        if means == THERE:
            return already_there(self.url, key)
        message = (
            f"{action} of {key or 'the store'} in {self.url} failed at {self.endpoint} ({said(error)}): "
            "see that root= and the opt.* options are right for this store, then try again"
        )
        return coded(StoreError(message, url=self.url, key=key), getattr(error, "errno", None) or errno.EIO)

    def _unreachable(self, error: BaseException, action: str, means: str) -> StoreError:
        long = means == AGAIN or waits()
        tried = f"tried for up to {self.patience:g} s" if long else "tried several times"
        message = (
            f"{self.url} cannot be reached: {self.endpoint} does not answer {action} as it should "
            f"({said(error)}), {tried}: see that the endpoint is right, that it "
            "runs, and that this machine gets there; `offline=allow` carries on from the spool until it does"
        )
        return coded(UnreachableError(message, url=self.url), errno.EHOSTUNREACH)

    def _no_access(self, error: BaseException, action: str, key: str) -> StoreError:
        if self._refused is not None:
            self._refused()
        message = (
            f"{self.endpoint} refuses {action} on {self.url}{'/' if key else ''}{key} ({said(error)}): give "
            f"these credentials the right to {action}, or set others, in the environment or as opt.*"
        )
        return coded(NoAccessError(message, url=self.url, key=key), errno.EACCES)
