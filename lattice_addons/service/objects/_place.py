"""What a request is about: a job, a key of the store, or a folder of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons.errors import StoreError
from lattice_addons.service.access import check_folder, check_job, check_key, check_store_key

if TYPE_CHECKING:
    from starlette.requests import Request

__all__ = ["allow", "folder_of", "key_of", "keys_of"]

_BAD_REQUEST = 400


def allow(request: Request, right: str) -> str | None:
    """Give the job that a request is about, when who asks has this right on it.

    What lies in no job (None) is for administrators.
    """
    job = request.path_params.get("job")
    request.app.state.access.allows(request, job, right if job is not None else "admin")
    return check_job(str(job)) if job is not None else None


def key_of(request: Request) -> str:
    """Give the key of the store that a request names."""
    return _key(request, str(request.path_params["key"]))


def keys_of(request: Request, names: list[str]) -> list[str]:
    """Give the keys of the store that a request calls so."""
    return [_key(request, name) for name in names]


def folder_of(request: Request) -> str:
    """Give the folder of the store that a listing is of, with a slash at its end."""
    return check_folder(str(request.path_params["job"]), request.query_params.get("prefix", ""))


def _key(request: Request, name: str) -> str:
    job = request.path_params.get("job")
    if job is not None:
        return check_key(str(job), name)
    if "/" not in name:
        return check_store_key(name)
    message = f"{name!r} lies in a folder, and those are jobs: ask for it as an object of the job"
    raise StoreError(message, url="", key=name, status=_BAD_REQUEST)
