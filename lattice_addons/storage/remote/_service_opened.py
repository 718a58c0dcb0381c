"""A service is opened by its URL and three options: a token, TLS, and the certificate that it is known by."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from lattice_addons._service_url import Address, address
from lattice_addons.errors import StoreError
from lattice_addons.storage._faults import coded
from lattice_addons.storage.remote._connections import Connections
from lattice_addons.storage.remote._faults import Where
from lattice_addons.storage.remote._requests import Requests
from lattice_addons.storage.remote._service import ServiceFiles

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["TOKEN", "open_service", "service_at", "token_of"]

TOKEN = "LATTICE_CHECKPOINT_TOKEN"  # noqa: S105 - the name of a variable
_OPTIONS = ("token", "tls", "cafile")


def open_service(url: str, options: Mapping[str, object], patience: float) -> ServiceFiles:
    """Give the objects below a URL; nothing is asked of the service."""
    try:
        return service_at(address(url), options, patience)
    except ValueError as error:
        shown = url.partition("://")[0] + "://" + url.partition("://")[2].rpartition("@")[2]
        message = f"{shown} is no address of a checkpoint service: {error}"
        raise coded(StoreError(message, url=shown), errno.EINVAL) from None


def service_at(at: Address, options: Mapping[str, object], patience: float) -> ServiceFiles:
    """Give the objects below an address; a ValueError says what is wrong with an option, and shows no token."""
    unknown = next((name for name in options if name not in _OPTIONS), None)
    if unknown is not None:
        raise ValueError(f"there is no option opt.{unknown}; there are opt.{', opt.'.join(_OPTIONS)}")
    at = at._replace(secure=_is_secure(at, options.get("tls")))
    token = token_of(options)
    if token is not None and not _is_sendable(token):
        raise ValueError(f"the token is none: it has blanks or other signs; see {TOKEN} or opt.token")
    cafile = options.get("cafile")
    if cafile and not at.secure:
        raise ValueError("opt.cafile is for TLS: write lattices:// in front, or add opt.tls=true")
    if cafile and not (isinstance(cafile, str) and os.path.isfile(cafile)):
        raise ValueError(f"opt.cafile: there is no file {cafile}")
    where = Where(at.url, at.place, "", patience)
    requests = Requests(
        Connections(at, str(cafile) if cafile else None), where, str(token) if token else None
    )
    return ServiceFiles(requests, at.path)


def token_of(options: Mapping[str, object]) -> object | None:
    """Give what is shown to a service: the option, or what the environment has."""
    return options.get("token") or os.environ.get(TOKEN, "").strip() or None


def _is_secure(at: Address, tls: object) -> bool:
    if tls is not None and not isinstance(tls, bool):
        raise ValueError("opt.tls is true or false")
    if at.secure and tls is False:
        raise ValueError("lattices:// is by TLS, and opt.tls=false says that it is not; keep one of them")
    return at.secure or bool(tls)


def _is_sendable(token: object) -> bool:
    """Say whether this may stand in a header."""
    return isinstance(token, str) and token.isascii() and token.isprintable() and " " not in token
