"""What the service takes and gives, for programs that read OpenAPI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from starlette.responses import Response

from lattice_addons import __version__
from lattice_addons.service.objects import MOST_KEYS

from ._openapi_schemas import schemas
from ._problems import MEDIA_TYPE

if TYPE_CHECKING:
    from starlette.requests import Request

__all__ = ["description", "openapi"]

_JSON = "application/json"
_OTHER_TAG = "Its tag is another one."
_BYTES = "application/octet-stream"
_ABOUT = """\
Bytes under keys, for many programs on many machines; what a program stored is never decoded here.
An object is there when its write was answered with 201: whole, checked, and durable.
Every refusal is a problem (RFC 9457): its `type` names the error that the Python client raises, `detail` says what
went wrong, `hint` what helps. 429 and 503 say by `Retry-After` when to ask again.
"""
# What may be answered to whatever is asked.
_ANYWHERE = {
    400: "A name that is none, or a header or body that says what cannot be.",
    401: "No token that is in force.",
    403: "A token that does not give this right; or, without tokens, a request from elsewhere.",
    408: "Nothing came for too long in the middle of the request.",
    413: "More than the service takes in one request.",
    429: "More requests than the service takes of one caller.",
    500: "A fault of the service, or of its disk.",
    502: "The store behind the service does not answer.",
}


async def openapi(request: Request) -> Response:
    """Give the description; anybody may read it."""
    del request
    return Response(orjson.dumps(description()), media_type=_JSON)


def description() -> dict[str, Any]:
    """Describe every path of the service that is for programs."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "The Lattice checkpoint service", "version": __version__, "description": _ABOUT},
        "paths": _paths(),
        "components": {
            "schemas": schemas(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        # Where the service listens on this machine only, nobody needs one.
        "security": [{"token": []}, {}],
    }


def _paths() -> dict[str, Any]:
    job, key = (
        _in_path("job", "A job's name."),
        _in_path("key", "The object's key below the job, with its slashes."),
    )
    loose = _in_path("key", "The key of an object that lies in no job: one plain name.")
    prefix = _parameter("query", "prefix", "The folder, as `rank-00000/packs/`; all there is without it.")
    return {
        "/v1/jobs": {"get": _operation("jobs", "Name the jobs that the token may read.", _told("Jobs"))},
        "/v1/jobs/{job}/objects": {
            "parameters": [job],
            "get": _operation("list", "Tell of every object below a folder.", _told("Listing"), [prefix]),
        },
        "/v1/jobs/{job}/objects/{key}": {"parameters": [job, key], **_object("")},
        "/v1/jobs/{job}/delete": {"parameters": [job], "post": _deletion("")},
        "/v1/store/objects": {
            "get": _operation("list_loose", "Tell of every object in no job.", _told("Listing"))
        },
        "/v1/store/objects/{key}": {"parameters": [loose], **_object("_loose")},
        "/v1/store/delete": {"post": _deletion("_loose")},
        **_views(job),
        "/healthz": {"get": _health()},
        "/metrics": {"get": _operation("metrics", "Counts for Prometheus.", _metrics())},
        "/openapi.json": {
            "get": _operation(
                "openapi", "This description.", {200: _answer("It.", _JSON, {"type": "object"})}
            )
        },
    }


def _views(job: dict[str, Any]) -> dict[str, Any]:
    """Describe what the pages are made of; fields are added to it from time to time."""
    rank = _parameter("query", "rank", "Which rank of the job: its number; 0 without it.")
    at = _parameter("query", "at", "At which checkpoint: its number; the newest without it.")
    slot = _parameter("query", "name", "The slot's name.")
    number = _in_path("number", "A checkpoint's number.")
    views = {
        "": ("jobs", "Tell how each job stands.", []),
        "/{job}": ("job", "Tell how a job and its ranks stand.", [job]),
        "/{job}/checkpoints": ("checkpoints", "Tell of a rank's checkpoints, by lives.", [job, rank]),
        "/{job}/checkpoints/{number}": ("checkpoint", "Tell what is in one.", [job, number, rank]),
        "/{job}/series": ("series", "Give the numbers in slots, over checkpoints.", [job, rank]),
        "/{job}/slot": ("slot", "Give a slot's value as far as it is plain.", [job, rank, at, slot]),
    }
    absent = {404: "There is no such job, checkpoint or slot."}
    given: dict[str, Any] = {}
    for path, (name, what, parameters) in views.items():
        there = {200: _answer("It.", _JSON, {"type": "array" if name == "series" else "object"})}
        given[f"/v1/view/jobs{path}"] = {"get": _operation(f"view_{name}", what, there, parameters, absent)}
    given["/v1/view/compare"] = {"get": _comparison(rank, absent)}
    there = {200: _answer("They.", _JSON, {"type": "object"})}
    given["/v1/view/experiments"] = {
        "get": _operation("view_experiments", "Tell how each experiment stands.", there)
    }
    return given


def _comparison(rank: dict[str, Any], absent: dict[int, str]) -> dict[str, Any]:
    """Describe what is other in two checkpoints."""
    told = {200: _answer("It.", _JSON, {"type": "object"})}
    asked = [
        _parameter("query", "job", "The one's job."),
        _parameter(
            "query", "a", "The one's number; without it the newest, or the one before that of the same job."
        ),
        _parameter("query", "with", "The other's job; the same without it."),
        _parameter("query", "b", "The other's number; the newest without it."),
        rank,
    ]
    return _operation("view_compare", "Tell what is different in two checkpoints.", told, asked, absent)


def _object(what: str) -> dict[str, Any]:
    """Describe the four things that can be done with one object."""
    same = _parameter("header", "If-Match", "The tag that the object must have.")
    return {**_reads(what, same), "put": _write(what, same), "delete": _removal(what, same)}


def _reads(what: str, same: dict[str, Any]) -> dict[str, Any]:
    part = _parameter("header", "Range", "One range: `bytes=0-99`, `bytes=100-` or `bytes=-100`.")
    fresh = _parameter("header", "If-None-Match", "Tags of what is known already.")
    read = [part, fresh, same]
    there = {
        200: _bytes("All of it."),
        206: _bytes("The range."),
        304: {"description": "What is known already."},
    }
    heads = {
        status: {key: each[key] for key in ("description", "headers") if key in each}
        for status, each in there.items()
    }
    absent = {404: "There is no such object.", 412: _OTHER_TAG, 416: "It has no byte in that range."}
    return {
        "get": _operation(f"read{what}", "Give an object, or a range of it.", there, read, absent),
        "head": _operation(f"head{what}", "Give what is known of an object.", heads, read, absent, bare=True),
    }


def _write(what: str, same: dict[str, Any]) -> dict[str, Any]:
    new = _parameter("header", "If-None-Match", "`*`: store it only where there is none.", {"const": "*"})
    told = "What the bytes are to be: `blake3=` and 64 hexadecimal digits."
    digest = _parameter("header", "Lattice-Digest", told, {"pattern": "^blake3=[0-9a-f]{64}$"})
    told = "A name of this write: said again, it has its effect once."
    name = _parameter("header", "Idempotency-Key", told, {"pattern": "^[A-Za-z0-9]{1,64}$"})
    refused = {
        412: "It is there already, or its tag is another one.",
        422: "The bytes that arrived are not those that the digest is of: nothing was stored.",
        507: "The disk, or the job's quota, is full: nothing was stored, and all can be read.",
    }
    stored = {201: {"description": "It is there, whole and durable.", "headers": _tag()}}
    parameters = [digest | {"required": True}, new, same, name]
    body = {"required": True, "content": {_BYTES: {"schema": {"type": "string", "format": "binary"}}}}
    return _operation(f"write{what}", "Store an object.", stored, parameters, refused) | {"requestBody": body}


def _removal(what: str, same: dict[str, Any]) -> dict[str, Any]:
    gone = {204: {"description": "It is not there."}}
    told = "Remove an object; one that is not there is fine."
    return _operation(f"remove{what}", told, gone, [same], {412: _OTHER_TAG})


def _deletion(what: str) -> dict[str, Any]:
    keys = {"type": "array", "maxItems": MOST_KEYS, "items": {"type": "string"}}
    schema = {"type": "object", "required": ["keys"], "properties": {"keys": keys}}
    count = {"type": "object", "required": ["deleted"], "properties": {"deleted": {"type": "integer"}}}
    told = {200: _answer("None of them is there.", _JSON, count)}
    body = {"required": True, "content": {_JSON: {"schema": schema}}}
    return _operation(f"delete{what}", "Remove many objects; those that are not there are fine.", told) | {
        "requestBody": body
    }


def _health() -> dict[str, Any]:
    schema = {
        "type": "object",
        "required": ["status", "version"],
        "properties": {
            "status": {"enum": ["ok", "fault"]},
            "version": {"type": "string"},
            "fault": {"type": "string"},
        },
    }
    told = {
        200: _answer("All is well.", _JSON, schema),
        503: _answer("The store cannot be asked.", _JSON, schema),
    }
    return _operation("health", "Say whether the service can do its work.", told)


def _metrics() -> dict[int, Any]:
    return {200: _answer("The counts.", "text/plain; version=0.0.4; charset=utf-8", {"type": "string"})}


def _operation(  # noqa: PLR0913 - what an operation has
    name: str,
    what: str,
    answers: dict[int, Any],
    parameters: list[dict[str, Any]] | None = None,
    refusals: dict[int, str] | None = None,
    *,
    bare: bool = False,
) -> dict[str, Any]:
    refused = {
        status: {"description": why}
        | ({} if bare else {"content": {MEDIA_TYPE: {"schema": _reference("Problem")}}})
        for status, why in sorted((_ANYWHERE | (refusals or {})).items())
    }
    told = {str(status): answer for status, answer in (refused | answers).items()}
    return {"operationId": name, "summary": what, "parameters": parameters or [], "responses": told}


def _answer(what: str, media_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": what, "content": {media_type: {"schema": schema}}}


def _told(name: str) -> dict[int, Any]:
    return {200: _answer("They.", _JSON, _reference(name))}


def _bytes(what: str) -> dict[str, Any]:
    return _answer(what, _BYTES, {"type": "string", "format": "binary"}) | {"headers": _tag()}


def _tag() -> dict[str, Any]:
    return {"ETag": {"description": "Another one when the bytes are others.", "schema": {"type": "string"}}}


def _in_path(name: str, what: str) -> dict[str, Any]:
    return _parameter("path", name, what, {"minLength": 1}) | {"required": True}


def _parameter(place: str, name: str, what: str, schema: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"in": place, "name": name, "description": what, "schema": {"type": "string"} | (schema or {})}


def _reference(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}
