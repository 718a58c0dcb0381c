"""What may be said of a checkpoint service: a host, a token that is never shown, and how it is spoken to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons._allowed import Place, file, word
from lattice_addons._allowed import url as url_given
from lattice_addons._service_url import Address

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["host", "options_of", "token", "url_of"]

_TLS = ("true", "false")
_CONFIG = "LATTICE_CHECKPOINT_CONFIG"


def host(value: object, place: Place) -> str:
    """Check the name or address of a machine alone; an IPv6 address may stand in brackets."""
    text = word(value, place)
    if "/" in text or "@" in text:
        why = "must be a host alone: its port is ckpt_service_port, and opt.tls=true asks for TLS"
        raise place.refuse("…" if "@" in text else text, why)
    if text.count(":") == 1:
        raise place.refuse(text, "must be a host alone; its port is the key ckpt_service_port")
    return text


def token(value: object, place: Place) -> str:
    """Check a token; the error does not show it."""
    if (
        not isinstance(value, str)
        or not value
        or not value.isascii()
        or not value.isprintable()
        or " " in value
    ):
        raise place.refuse("…", "must be a token as `lattice token create` printed it: one word, no blanks")
    return value


def options_of(given: Mapping[str, str], secret: str | None) -> dict[str, str]:
    """Add the token to the options of a service; a path is made absolute, for the uploader is elsewhere."""
    known = {"token": secret, **given} if secret is not None else dict(given)
    if known.get("tls", "true") not in _TLS:
        raise Place(_CONFIG, "opt.tls").unknown(known["tls"], _TLS)
    if "cafile" in known:
        known["cafile"] = file(known["cafile"], Place(_CONFIG, "opt.cafile"))
    return known


def url_of(endpoint: str, port: int, options: Mapping[str, str], root: str | None) -> str:
    """Give the URL of a service; a root that was given as well must be that."""
    url = Address(options.get("tls") == "true", endpoint.strip("[]"), port, "").url
    if root is not None and url_given(root, Place(_CONFIG, "root")) != url:
        why = f"a store of type remote is at ckpt_service_endpoint: {url}; leave root out, or set type fsspec"
        raise Place(_CONFIG, "root").refuse(root, why)
    return url
