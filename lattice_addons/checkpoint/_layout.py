"""Where the files of a rank lie in the store."""

from __future__ import annotations

import re

from lattice_addons.errors import StoreError
from lattice_addons.storage import split_key

__all__ = [
    "RANK",
    "lease_key",
    "manifest_key",
    "manifest_number",
    "pack_key",
    "pack_name",
    "rank_folder",
    "refused_key",
]

RANK = re.compile(r"rank-([0-9]{5})", re.ASCII)
# Longer than twelve digits where it must be: a stray file may have the last number of twelve.
_MANIFEST = re.compile(r"([0-9]{12}|[1-9][0-9]{12,17})\.json", re.ASCII)
_NUMBERS = 10**18
_PACK = re.compile(r"([0-9A-HJKMNP-TV-Z]{26})\.pack", re.ASCII)
_RANKS = 100_000


def rank_folder(job: str, rank: int) -> str:
    """Give the folder of a rank."""
    # A job's name must be one plain part of a path, lest it escape the root.
    if len(split_key(job)) != 1 or not 0 <= rank < _RANKS:
        told = f"job {job!r}, rank {rank}"
        message = f"{told} has no folder in a store: a job id has no '/', and a rank is below {_RANKS}"
        raise StoreError(message, url="", key=job)
    return f"{job}/rank-{rank:05d}/"


def manifest_key(folder: str, number: int) -> str:
    """Give the key of a manifest; its existence is the commit."""
    if number >= _NUMBERS:
        message = (
            f"{folder}checkpoints/ has a file with the last number there is: move it away, and save again"
        )
        raise StoreError(message, url="", key=folder)
    return f"{folder}checkpoints/{number:012d}.json"


def pack_key(folder: str, pack: str) -> str:
    """Give the key of a pack."""
    return f"{folder}packs/{pack}.pack"


def lease_key(folder: str) -> str:
    """Give the key of the lease."""
    return f"{folder}lease.json"


def refused_key(folder: str) -> str:
    """Give the key of what is written down of saves that were refused."""
    return f"{folder}refused.jsonl"


def manifest_number(key: str) -> int | None:
    """Give the number that a manifest's key says; None for another file (0 is never given)."""
    match = _MANIFEST.fullmatch(key.rpartition("/")[2])
    return int(match[1]) or None if match else None


def pack_name(key: str) -> str | None:
    """Give the name of the pack of this key; None for another file."""
    match = _PACK.fullmatch(key.rpartition("/")[2])
    return match[1] if match else None
