"""``/jobs/{job}/checkpoints/{number}``: one checkpoint: who wrote it, when and why, and what is in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons.checkpoint import ranks
from lattice_addons.errors import NotInStoreError

from ._job_page import contents
from ._pages import number_in

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from ._pages import Pages

__all__ = ["routes"]


def routes(pages: Pages) -> list[Route]:
    """Give where the page is."""

    def checkpoint(request: Request) -> Response:
        name = pages.visible_job(request)
        rank = number_in(request, "rank", 0) or 0
        number = request.path_params["number"]
        numbers = pages.jobs.manifests.numbers(name, rank)
        facts = pages.jobs.manifests.facts(name, rank, number) if number in numbers else None
        if facts is None:
            message = f"job {name!r} has no checkpoint {number} (any more): a newer one has taken its place"
            raise NotInStoreError(message, url=pages.store.url, key=name)
        names = pages.jobs.manifests.line(name, rank).keeps.names()
        at = numbers.index(number)
        return pages.page(
            request,
            "checkpoint.html",
            name=name,
            rank=rank,
            facts=facts,
            kept=names.get(number, ""),
            older=numbers[at - 1] if at else None,
            newer=numbers[at + 1] if at + 1 < len(numbers) else None,
            newest=numbers[-1],
            first_rank=ranks(pages.store, name)[0],
            contents=contents(pages, name, rank, numbers, number) if not facts.problem else None,
        )

    return [pages.route("/jobs/{job}/checkpoints/{number:lattice_number}", checkpoint)]
