"""Each path of the service at which programs store and read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.convertors import PathConvertor, register_url_convertor
from starlette.routing import Route

from . import _listing, _objects, _removing, _writes

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

__all__ = ["object_routes"]


class _Key(PathConvertor):
    """The rest of a path, with line breaks in it: who looks at keys says that none has any."""

    regex = "(?s:.*)"


register_url_convertor("lattice_key", _Key())


def object_routes() -> list[BaseRoute]:
    """Give the routes of objects, of a job and of the store itself."""
    routes = [
        Route("/v1/jobs", _listing.jobs),
        Route("/v1/jobs/{job}/objects", _listing.objects),
        Route("/v1/store/objects", _listing.loose),
    ]
    for top in ("/v1/jobs/{job}", "/v1/store"):
        path = f"{top}/objects/{{key:lattice_key}}"
        routes += [
            Route(path, _objects.read, methods=["GET", "HEAD"]),
            Route(path, _writes.write, methods=["PUT"]),
            Route(path, _removing.delete, methods=["DELETE"]),
            Route(f"{top}/delete", _removing.delete_many, methods=["POST"]),
        ]
    return [*routes]
