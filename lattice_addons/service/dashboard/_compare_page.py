"""``/compare``: two checkpoints side by side, of one job or of two; each newest where no number is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons.errors import NotInStoreError
from lattice_addons.service.view import compared

from ._pages import link, number_in

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from ._pages import Pages

__all__ = ["named", "routes"]

_OFFERED = 200


def routes(pages: Pages) -> list[Route]:
    """Give where the page is. Jobs stand in the query: the names of two may be anything."""

    def compare(request: Request) -> Response:
        one, other = named(pages, request)
        found = compared(pages.jobs.manifests, one, other)
        may_see = pages.access.visible(request)
        offered = [name for name in pages.board.now(fresh=3.0).jobs if may_see(name)]
        return pages.page(
            request,
            "compare.html",
            compared=found,
            offered=offered[:_OFFERED],
            turned=_address(other, one),
        )

    return [pages.route("/compare", compare)]


def named(pages: Pages, request: Request) -> tuple[tuple[str, int, int], tuple[str, int, int]]:
    """Give which two an address means.

    Raises:
        NotInStoreError: there is no such job, or checkpoint.
    """
    query = request.query_params
    rank = number_in(request, "rank", 0) or 0
    job = query.get("job", "")
    with_job = query.get("with", "").strip() or job
    one = _of(pages, request, job, rank, number_in(request, "a"), -1 if with_job != job else -2)
    return one, _of(pages, request, with_job, rank, number_in(request, "b"), -1)


def _of(  # noqa: PLR0913, PLR0917 - which one it is
    pages: Pages, request: Request, job: str, rank: int, number: int | None, default: int
) -> tuple[str, int, int]:
    pages.check_visible(request, job)
    numbers = pages.jobs.manifests.numbers(job, rank)
    if not numbers or (number is not None and number not in numbers):
        what = f"checkpoint {number}" if number is not None else "checkpoint"
        message = f"job {job!r} has no {what} of rank {rank} (any more)"
        raise NotInStoreError(message, url=pages.store.url, key=job)
    return job, rank, number if number is not None else numbers[max(default, -len(numbers))]


def _address(one: tuple[str, int, int], other: tuple[str, int, int]) -> str:
    (job, rank, a), (with_job, _, b) = one, other
    return link(
        "/compare", job=job, a=a, b=b, rank=rank or None, **{"with": with_job if with_job != job else None}
    )
