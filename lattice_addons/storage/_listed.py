"""What is known of a key without reading it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import os

__all__ = ["Listed", "listed_file"]


class Listed(NamedTuple):
    """One key: its bytes, a tag that changes with them ("" where none is known), when it was stored (POSIX seconds)."""

    size: int
    tag: str
    modified: float | None


def listed_file(facts: os.stat_result) -> Listed:
    """Tell of a file: what replaces it is another file, so its inode and time tell its bytes from others."""
    tag = f"{facts.st_ino:x}-{facts.st_size:x}-{facts.st_mtime_ns:x}"
    return Listed(facts.st_size, tag, facts.st_mtime)
