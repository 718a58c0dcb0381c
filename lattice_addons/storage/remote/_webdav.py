"""A WebDAV server is asked for names as they are, whatever their characters mean in a URL."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

__all__ = ["is_misread", "quote_names"]

# Servers that unquote the place to which a file moves before they take it apart would end the name there.
_MISREAD = re.compile(r"[?\x00-\x1f\x7f]|;[^/]*\Z")


def is_misread(path: str) -> bool:
    """Tell whether a file with this path would get another name on some servers."""
    return _MISREAD.search(path) is not None


def quote_names(client: Any) -> None:  # noqa: ANN401 - webdav4 is there only where it is used
    """Let a client quote each path, once: by itself it takes ``%41`` in a name for quoted, and refuses ``#``."""
    base = client.base_url

    def join_url(path: str, add_trailing_slash: bool = False) -> Any:  # noqa: ANN401, FBT001, FBT002 - as webdav4's
        parts = [part for part in f"{base.path}/{path}".split("/") if part]
        return base.copy_with(path=quote("/" + "/".join(parts)) + "/" * (add_trailing_slash and bool(parts)))

    client.join_url = join_url
