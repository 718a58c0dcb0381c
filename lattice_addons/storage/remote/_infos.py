"""File systems tell of their files each in its own words; a listing has the same for all."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timezone
from typing import Any

from lattice_addons.storage.remote._files import Listed

__all__ = ["listed"]

_TIMES = ("mtime", "modified", "last_modified", "LastModified", "updated", "created")
_TAGS = ("etag", "ETag", "md5Hash", "content_hash", "checksum")


def listed(info: dict[str, Any]) -> Listed:
    """Make sense of what a file system says of a file."""
    when = next((info[name] for name in _TIMES if info.get(name)), None)
    if isinstance(when, str):
        with suppress(ValueError):
            when = datetime.fromisoformat(when.replace("Z", "+00:00"))
    if isinstance(when, datetime):
        when = (when if when.tzinfo else when.replace(tzinfo=timezone.utc)).timestamp()
    modified = float(when) if isinstance(when, (int, float)) else None
    tag = next((str(info[name]).strip('"') for name in _TAGS if info.get(name)), f"{info['size']}-{modified}")
    return Listed(int(info["size"]), tag, modified)
