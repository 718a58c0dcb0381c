"""A key is a relative POSIX path that cannot leave its store."""

from __future__ import annotations

import os
import re
import time

from lattice_addons.errors import StoreError

__all__ = ["is_temporary", "split_key", "temporary_name", "ulid"]

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32, in the order of its characters' codes
_TEMPORARY = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}\.tmp", re.ASCII)
_LONGEST_PART = 255


def ulid() -> str:
    """Give a new 26-character name; names made later (by this clock) sort behind.

    >>> len(ulid())
    26
    """
    number = (time.time_ns() // 1_000_000) % (1 << 48) << 80 | int.from_bytes(os.urandom(10), "big")
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))


def temporary_name() -> str:
    """Give a file name that nobody has used, nobody can guess, and no key can have."""
    return ulid() + ".tmp"


def is_temporary(name: str) -> bool:
    """Tell whether a file name is one that `temporary_name` gives."""
    return _TEMPORARY.fullmatch(name) is not None


def split_key(key: str, *, folder: bool = False) -> tuple[str, ...]:
    """Give the parts of a key; of a folder's key also the empty one, which is the root.

    >>> split_key("job/rank-00000/lease.json")
    ('job', 'rank-00000', 'lease.json')
    >>> split_key("job/", folder=True)
    ('job',)
    """
    if folder and not key:
        return ()
    parts = tuple((key.removesuffix("/") if folder else key).split("/"))
    for part in parts:
        fault = _fault(part)
        if fault:
            message = (
                f"{key!r} is no key of a store: the part {part!r} {fault}; "
                "a key is a relative path of plain names joined by '/'"
            )
            raise StoreError(message, url="", key=key)
    if not folder and (is_temporary(parts[-1]) or parts == (".gitignore",)):
        message = f"{key!r} is no key of a store: the store keeps this name for itself; take another"
        raise StoreError(message, url="", key=key)
    return parts


def _fault(part: str) -> str:
    """Say what keeps a part of a key from being a file's name; nothing when nothing does."""
    if part in ("", ".", ".."):
        return "is empty, or leads elsewhere"
    if "\0" in part:
        return "has a NUL character"
    try:
        length = len(part.encode())
    except UnicodeEncodeError:
        return "has a lone surrogate, which has no place in UTF-8"
    return f"is {length} bytes long ({_LONGEST_PART} at most)" if length > _LONGEST_PART else ""
