"""``/v1/view/…``: the facts behind the pages, as JSON."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import TYPE_CHECKING

import orjson
from starlette.responses import Response
from starlette.routing import Route

from lattice_addons.errors import NotInStoreError
from lattice_addons.service.view import compared, hyperparams_of, slot_value, slots_of, timeline, together

from ._compare_page import named
from ._job_page import made_before
from ._pages import HEADERS, number_in, shallow

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from ._pages import Pages

__all__ = ["routes"]


def routes(pages: Pages) -> list[Route]:
    """Give where the facts are. What goes wrong is answered as the rest of ``/v1`` does."""
    top = "/v1/view/jobs"
    return [
        _route(pages, top, _jobs),
        _route(pages, f"{top}/{{job}}", _job),
        _route(pages, f"{top}/{{job}}/checkpoints", _checkpoints),
        _route(pages, f"{top}/{{job}}/checkpoints/{{number:lattice_number}}", _checkpoint),
        _route(pages, f"{top}/{{job}}/series", _series),
        _route(pages, f"{top}/{{job}}/slot", _slot),
        _route(pages, "/v1/view/compare", _compare),
        _route(pages, "/v1/view/experiments", _experiments),
    ]


def _route(pages: Pages, path: str, make: Callable[[Pages, Request], object]) -> Route:
    async def answered(request: Request) -> Response:
        text = await pages.threads.run(shallow(_text), make, pages, request)
        return Response(text, media_type="application/json", headers=HEADERS)

    return Route(path, answered, methods=["GET"], name=f"view{make.__name__}")


def _text(make: Callable[[Pages, Request], object], pages: Pages, request: Request) -> bytes:
    option = orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS
    try:
        return orjson.dumps(make(pages, request), default=_plain, option=option)
    except orjson.JSONEncodeError as error:
        # It is made of plain facts only, but for what programs say; that may be of any depth.
        raise RecursionError(str(error)) from None


def _plain(told: object) -> object:
    if dataclasses.is_dataclass(told) and not isinstance(told, type):
        return {field.name: getattr(told, field.name) for field in dataclasses.fields(told)}
    if isinstance(told, tuple) and hasattr(told, "_asdict"):
        return told._asdict()
    if isinstance(told, datetime):
        return told.isoformat()
    # Integers that JSON's other readers could not take either.
    return str(told)


def _jobs(pages: Pages, request: Request) -> object:
    may_see = pages.access.visible(request)
    now = pages.board.now()
    seen = [job for job in now.jobs.values() if may_see(job.name)]
    # Where the store cannot be read, these are the jobs that were seen last, or none.
    return {"jobs": seen, "waiting": now.waiting, "problem": now.problem}


def _job(pages: Pages, request: Request) -> object:
    name = pages.visible_job(request)
    ranks = pages.jobs.ranks(name)
    return {"job": together(name, ranks) if ranks else None, "ranks": ranks}


def _checkpoints(pages: Pages, request: Request) -> object:
    name, rank, numbers = _asked(pages, request)
    told = timeline(pages.jobs.manifests, name, rank, numbers)
    return {"names": told.names, "lives": told.lives, "refused": told.refused}


def _checkpoint(pages: Pages, request: Request) -> object:
    name, rank, numbers = _asked(pages, request)
    number = request.path_params["number"]
    manifests = pages.jobs.manifests
    checkpoint = manifests.whole(name, rank, number)
    before = made_before(pages, name, rank, numbers, number)
    return {
        "checkpoint": manifests.facts(name, rank, number),
        "slots": list(slots_of(checkpoint, before)),
        "hyperparams": list(hyperparams_of(checkpoint, before)),
    }


def _series(pages: Pages, request: Request) -> object:
    return pages.series.slots(*_asked(pages, request))


def _slot(pages: Pages, request: Request) -> object:
    name, rank, numbers = _asked(pages, request)
    number = number_in(request, "at") or (numbers[-1] if numbers else 0)
    manifests = pages.jobs.manifests
    slot = request.query_params.get("name", "")
    return slot_value(manifests.line(name, rank), manifests.whole(name, rank, number), slot)


def _compare(pages: Pages, request: Request) -> object:
    return compared(pages.jobs.manifests, *named(pages, request))


def _experiments(pages: Pages, request: Request) -> object:
    found = pages.experiments.all(pages.access.visible(request), pages.jobs_alone())
    return {"experiments": found}


def _asked(pages: Pages, request: Request) -> tuple[str, int, tuple[int, ...]]:
    name = pages.visible_job(request)
    rank = number_in(request, "rank", 0) or 0
    numbers = pages.jobs.manifests.numbers(name, rank)
    if not numbers:
        raise NotInStoreError(f"job {name!r} has no rank {rank}", url=pages.store.url, key=name)
    return name, rank, numbers
