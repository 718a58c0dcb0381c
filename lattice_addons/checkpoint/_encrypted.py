"""An encrypted text stands in JSON with the name of its key, so that a wrong key is told from damage."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import orjson
import zstandard

from lattice_addons.checkpoint._squeeze import expand
from lattice_addons.errors import UntrustedError, WrongKeyError

if TYPE_CHECKING:
    from lattice_addons.checkpoint._cipher import Cipher

__all__ = ["close_manifest", "close_text", "is_closed", "open_manifest", "open_text"]

_FIELD = b'\n"encrypted": '
# What can be read of a manifest without the key: its first line, format, job, rank and number.
_OPEN_LINES = 5
_LONGEST = 1024 * 1024 * 1024
_NAME = re.compile(r"[0-9a-f]{16}", re.ASCII)


def close_manifest(body: bytes, cipher: Cipher) -> bytes:
    """Give a manifest's body of which only where it belongs can be read."""
    lines = body.split(b"\n", _OPEN_LINES)
    head = b"\n".join(lines[:_OPEN_LINES])
    return head + _FIELD + orjson.dumps(close_text(lines[_OPEN_LINES], cipher, head))


def open_manifest(body: bytes, cipher: Cipher | None, where: str) -> bytes:
    """Give a manifest's body as it was; one that is not encrypted is given as it is."""
    head, closed, told = body.partition(_FIELD)
    # Further down it is a slot of that name.
    if not closed or head.count(b"\n") >= _OPEN_LINES:
        return body
    try:
        fields = orjson.loads(told)
    except orjson.JSONDecodeError:
        fields = None
    return head + b"\n" + open_text(fields, cipher, head, f"the manifest {where}")


def close_text(text: bytes, cipher: Cipher, context: bytes) -> dict[str, str]:
    """Give what JSON has of a text, which cannot be used in another context."""
    squeezed = zstandard.ZstdCompressor(level=1).compress(text)
    salt, encrypted = cipher.write(squeezed, context)
    return {"cipher": "AES-256-GCM", "key": cipher.name, "salt": salt, "text": encrypted}


def is_closed(told: object) -> bool:
    """Say whether this is what JSON has of an encrypted text."""
    return isinstance(told, dict) and "cipher" in told


def open_text(told: Any, cipher: Cipher | None, context: bytes, what: str) -> bytes:  # noqa: ANN401 - any JSON
    """Give a text; ``what`` it is, and where, is for the errors.

    Raises:
        WrongKeyError: it was encrypted with another key, or there is none.
        UntrustedError: it was altered by somebody who knew how to hide it, or stood elsewhere.
    """
    name, salt, encrypted = _fields(told, what)
    if cipher is None or cipher.name != name:
        raise _wrong_key(what, name, cipher)
    try:
        squeezed = cipher.read((salt, encrypted), context)
        size = zstandard.frame_content_size(squeezed)
        return expand(squeezed, size if size < _LONGEST else -1)
    except (ValueError, TypeError, zstandard.ZstdError) as error:
        raise UntrustedError(
            f"{what} was altered, or put in another's place; it is not used", key=what
        ) from error


def _fields(told: Any, what: str) -> tuple[str, str, str]:  # noqa: ANN401 - any JSON
    try:
        if told["cipher"] == "AES-256-GCM" and _NAME.fullmatch(told["key"]) is not None:
            return told["key"], told["salt"], told["text"]
    except (TypeError, KeyError):
        pass
    raise UntrustedError(f"{what} is encrypted in no way that is known here; it is not used", key=what)


def _wrong_key(what: str, name: str, cipher: Cipher | None) -> WrongKeyError:
    if cipher is None:
        message = (
            f"{what} is encrypted, and no key is set: set LATTICE_ENCRYPTION_KEY, or encryption_key_file, "
            "to the one that it was encrypted with"
        )
    else:
        message = (
            f"{what} is encrypted with another key (its name is {name}) than LATTICE_ENCRYPTION_KEY, or "
            f"encryption_key_file, gives (its name is {cipher.name}): set the one that it was encrypted with"
        )
    return WrongKeyError(message, key=what)
