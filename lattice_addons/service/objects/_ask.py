"""What a request asks of an object: which of its bytes, and on what condition."""

from __future__ import annotations

import errno
import re
from http import HTTPStatus
from typing import TYPE_CHECKING

from lattice_addons.service._problems import refusal

if TYPE_CHECKING:
    from starlette.datastructures import Headers

__all__ = ["digest_of", "etag", "has", "is_new_only", "match_on", "name_of", "taken", "wanted"]

_RANGE = re.compile(r"bytes=(?:([0-9]{1,19})-([0-9]{0,19})|-([0-9]{1,19}))", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9]{1,64}", re.ASCII)
_DIGEST = re.compile(r"blake3=([0-9a-f]{64})", re.ASCII | re.IGNORECASE)


def etag(tag: str) -> str:
    """Give a tag as HTTP writes it."""
    return f'"{tag}"'


def wanted(headers: Headers, size: int, tag: str) -> tuple[int, int] | None:
    """Give the range that is asked for, from its first byte to behind its last; None for the whole."""
    match = _RANGE.fullmatch(headers.get("range", ""))
    if match is None or headers.get("if-range", etag(tag)) != etag(tag):
        # Another unit, or several ranges: to these the whole is a right answer.
        return None
    first, last, tail = match.groups()
    if last and int(last) < int(first):
        return None
    start = int(first) if tail is None else max(size - int(tail), 0)
    stop = min(int(last) + 1, size) if last else size
    if start >= size or (tail is not None and not int(tail)):
        raise refusal(
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            f"there are {size} bytes, and none at {match[0]}: ask for some that are there",
            headers={"content-range": f"bytes */{size}"},
            size=size,
        )
    return start, stop


def has(headers: Headers, tag: str) -> bool:
    """Say whether who asks has these bytes already."""
    return bool(tag) and _names(headers.get("if-none-match", ""), tag)


def is_new_only(headers: Headers) -> bool:
    """Say whether a key is to be stored only where there is none."""
    asked = headers.get("if-none-match")
    if asked is not None and asked.strip() != "*":
        raise refusal(
            HTTPStatus.BAD_REQUEST,
            f"If-None-Match {asked[:80]!r} means nothing for a write: send `*` to store a new key, or leave it out",
        )
    return asked is not None


def match_on(headers: Headers, tag: str | None) -> None:
    """See that a key is what who asks takes it for; ``tag`` is None where it is not there."""
    asked = headers.get("if-match")
    if asked is None or (tag is not None and _names(asked, tag)):
        return
    what = "is not there" if tag is None else f"is {etag(tag)} by now"
    raise refusal(
        HTTPStatus.PRECONDITION_FAILED,
        f"the key {what}, and not {asked[:200]}, since another one changed it: read it again, then decide",
    )


def taken(key: str) -> Exception:
    """Make the refusal of a new key that is an old one."""
    return refusal(
        HTTPStatus.PRECONDITION_FAILED,
        f"{key} is there already, and is never written over: see what other process saves there",
        errno=errno.EEXIST,
        key=key,
    )


def digest_of(headers: Headers) -> str:
    """Give the digest that the bytes of a write are to have."""
    match = _DIGEST.fullmatch(headers.get("lattice-digest", "").strip())
    if match is None:
        raise refusal(
            HTTPStatus.BAD_REQUEST,
            "a write says what its bytes are to be: send the header `Lattice-Digest: blake3=<64 hexadecimal digits>`",
        )
    return match[1].lower()


def name_of(headers: Headers) -> str:
    """Give the name of a write, which is the same when it is said again; "" for one that has none."""
    name = headers.get("idempotency-key", "")
    if name and _NAME.fullmatch(name) is None:
        raise refusal(
            HTTPStatus.BAD_REQUEST,
            f"Idempotency-Key {name[:80]!r} names no write: send up to 64 letters and digits, or leave it out",
        )
    return name


def _names(asked: str, tag: str) -> bool:
    names = [each.strip().removeprefix("W/") for each in asked.split(",")]
    return "*" in names or (bool(tag) and etag(tag) in names)
