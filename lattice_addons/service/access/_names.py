"""What a request calls a job, or an object of one, is that and nothing else, however it is written."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING
from urllib.parse import unquote

from lattice_addons.errors import SettingsError, StoreError
from lattice_addons.settings import check_job_id
from lattice_addons.storage import split_key

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["check_folder", "check_job", "check_key", "check_store_key"]

_LONGEST = 1024  # bytes of a whole key: what S3 takes
_BAD_REQUEST = 400
_MOST_PARTS = 32  # of a key: a program's have five at most, and each folder costs time
_DEEPEST = 4  # how often something may have been encoded


def check_job(job: str) -> str:
    """Give a job's name back; refuse what no program's job can be called."""
    try:
        check_job_id(job)
    except SettingsError as error:
        raise _refused(job, str(error)) from None
    _check_part(job, job)
    return job


def check_key(job: str, key: str) -> str:
    """Give the store's key of an object of a job; refuse what would lie elsewhere, here or after any decoding."""
    return _checked(f"{check_job(job)}/{key}")


def check_folder(job: str, prefix: str) -> str:
    """Give the store's folder of a job that begins as it says; the empty one is the job's own."""
    return _checked(f"{check_job(job)}/{prefix}".removesuffix("/")) + "/"


def check_store_key(key: str) -> str:
    """Give the key of an object that belongs to the store itself back; refuse what the service keeps for itself."""
    checked = _checked(key)
    if unicodedata.normalize("NFKC", checked).startswith("."):
        raise _refused(key, "what begins with a dot is the service's own")
    return checked


def _checked(whole: str) -> str:
    try:
        parts = split_key(whole)
    except StoreError as error:
        raise _refused(whole, str(error)) from None
    if len(whole.encode()) > _LONGEST:
        raise _refused(whole[:80] + "…", f"a key has at most {_LONGEST} bytes")
    if len(parts) > _MOST_PARTS:
        raise _refused(whole, f"it has {len(parts)} parts, and a key has {_MOST_PARTS} at most")
    for part in parts:
        _check_part(part, whole)
    return whole


def _check_part(part: str, whole: str) -> None:
    if not part.isprintable() or "\\" in part or "\ufffd" in part:
        raise _refused(whole, f"{part!r} has a character that no name of ours has")
    for read in _readings(part):
        if read in ("", ".", "..") or any(character in read for character in "/\\\0"):
            raise _refused(whole, f"{part!r} is a path to somebody who reads it once more")


def _readings(part: str) -> Iterator[str]:
    """Give what a proxy, a file system or another store might take a name for: decoded, and normalised."""
    for _ in range(_DEEPEST):
        yield part
        yield unicodedata.normalize("NFKC", part).strip()
        decoded = unquote(part)
        if decoded == part:
            return
        part = decoded
    yield ""  # encoded over and over: nothing that a person or a program would do


def _refused(name: str, why: str) -> StoreError:
    message = f"{name!r} names nothing in a job: {why}; a key is plain names joined by '/', as `rank-00000/lease.json`"
    return StoreError(message, url="", key=name, status=_BAD_REQUEST)
