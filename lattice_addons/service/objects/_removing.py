"""Objects are removed one by one or many at once, and with the last one of a folder the folder."""

from __future__ import annotations

import os
from http import HTTPStatus
from typing import TYPE_CHECKING

import orjson
from starlette.responses import Response

from lattice_addons.service._problems import refusal
from lattice_addons.storage import LocalStore

from ._ask import match_on
from ._changing import tag_of
from ._place import allow, key_of, keys_of

if TYPE_CHECKING:
    from starlette.datastructures import Headers
    from starlette.requests import Request

    from lattice_addons.storage import Store

__all__ = ["MOST_KEYS", "delete", "delete_many"]

MOST_KEYS = 10_000


async def delete(request: Request) -> Response:
    """Remove an object; one that is not there is fine."""
    allow(request, "write")
    key, state = key_of(request), request.app.state
    async with state.changing.of([key]):
        await state.threads.run(_remove_one, state.store, key, request.headers)
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def delete_many(request: Request) -> Response:
    """Remove the objects that a request names; those that are not there are fine."""
    allow(request, "write")
    state = request.app.state
    # To look at ten thousand names takes a while.
    keys = await state.threads.run(keys_of, request, _names(await request.body()))
    async with state.changing.of(keys):
        await state.threads.run(_remove, state.store, keys)
    return Response(orjson.dumps({"deleted": len(keys)}), media_type="application/json")


def _names(body: bytes) -> list[str]:
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        told = None
    names = told.get("keys") if isinstance(told, dict) else None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise refusal(HTTPStatus.BAD_REQUEST, 'the body names no keys: send {"keys": ["…", …]} as JSON')
    if len(names) > MOST_KEYS:
        message = f"{len(names)} keys are more than {MOST_KEYS}: send them in parts"
        raise refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message)
    return names


def _remove_one(store: Store, key: str, headers: Headers) -> None:
    if "if-match" not in headers:
        _remove(store, [key])
        return
    with store.exclusive(key.rpartition("/")[0]):
        match_on(headers, tag_of(store, key))
        store.delete([key])
    _remove(store, [])


def _remove(store: Store, keys: list[str]) -> None:
    """Delete, and remove the folders in which nothing is left: a job without objects is no job."""
    store.delete(keys)
    if not isinstance(store, LocalStore):
        return  # elsewhere folders are not, or do not count
    there = {_there(store.root, key.rpartition("/")[0]) for key in keys}
    for folder in sorted(there, key=len, reverse=True):
        at = folder
        while at and not store.list(at):
            store.prune(at)
            at = at.rpartition("/")[0]


def _there(root: str, folder: str) -> str:
    """Give the part of a folder's path that is there: to ask for each of ten thousand that are not takes long."""
    at = ""
    for part in folder.split("/"):
        below = f"{at}/{part}" if at else part
        if not os.path.isdir(os.path.join(root, below)):
            break
        at = below
    return at
