"""Options of a file system are written as text; what they mean is seen from how they are written."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["file_system_options", "without_secrets"]

# These are names and secrets, and stay text though one may be made of digits alone.
_TEXT = frozenset(
    [
        "account_key",
        "account_name",
        "base_url",
        "bucket",
        "client_id",
        "client_secret",
        "endpoint_url",
        "fo",
        "host",
        "key",
        "passphrase",
        "password",
        "profile",
        "project",
        "region_name",
        "sas_token",
        "secret",
        "tenant_id",
        "token",
        "user",
        "username",
    ]
)
_PATHS = frozenset(
    {"file", "local", "memory", "zip"}
)  # these have no secrets, and a name may have a "?" in it
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?", re.ASCII)
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "none": None, "null": None}


def file_system_options(options: Mapping[str, str]) -> dict[str, object]:
    """Give options as the file system takes them: numbers, booleans, and JSON for what has parts.

    >>> file_system_options({"anon": "true", "max_concurrency": "4", "key": "0123", "client_kwargs": '{"a": [1]}'})
    {'anon': True, 'max_concurrency': 4, 'key': '0123', 'client_kwargs': {'a': [1]}}
    >>> file_system_options({"client_kwargs.region_name": "eu-west-1", "client_kwargs.verify": "false"})
    {'client_kwargs': {'region_name': 'eu-west-1', 'verify': False}}
    """
    found: dict[str, object] = {}
    for name, text in options.items():
        *folders, last = name.split(".")
        inner = found
        for folder in folders:
            deeper = inner.setdefault(folder, {})
            if not isinstance(deeper, dict):
                break  # the whole was given as well: it stands
            inner = deeper
        else:
            inner[last] = _value(last, text)
    return found


def _value(name: str, text: str) -> object:
    if name in _TEXT:
        return text
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _NUMBER.fullmatch(text) or text[:1] in ("{", "[", '"'):
        try:
            value = json.loads(text)
        except ValueError:
            return text
        # HTTP clients tell a pair of name and password from other things by its type.
        return tuple(value) if name == "auth" and isinstance(value, list) else value
    return text


def without_secrets(url: str) -> str:
    """Give a URL as it may be shown: no password, no query.

    >>> without_secrets("sftp://me:secret@host/folder?token=x")
    'sftp://me@host/folder'
    """
    return "::".join(_shown(part) for part in url.split("::"))


def _shown(url: str) -> str:
    kind, there, rest = url.partition("://")
    if not there or kind in _PATHS:
        return url
    place, slash, path = rest.partition("/")
    name, at, host = place.rpartition("@")
    return f"{kind}://{name.partition(':')[0]}{at}{host}{slash}{path.partition('?')[0].partition('#')[0]}"
