"""``/jobs/{job}/slot``: the value of one slot, readable, as far as it is plain data; a pickle is never opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons.errors import NotInStoreError
from lattice_addons.service.view import slot_value, tree_of

from ._pages import number_in

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from ._pages import Pages

__all__ = ["routes"]


def routes(pages: Pages) -> list[Route]:
    """Give where the page is. A slot's name may be anything: it stands in the query, where no browser changes it."""

    def slot(request: Request) -> Response:
        name = pages.visible_job(request)
        rank = number_in(request, "rank", 0) or 0
        asked = request.query_params.get("name", "")
        manifests = pages.jobs.manifests
        numbers = manifests.numbers(name, rank)
        number = number_in(request, "at") or (numbers[-1] if numbers else 0)
        if number not in numbers:
            message = f"job {name!r} has no checkpoint {number} (any more): a newer one has taken its place"
            raise NotInStoreError(message, url=pages.store.url, key=name)
        value = slot_value(manifests.line(name, rank), manifests.whole(name, rank, number), asked)
        lines = pages.series.slots(name, rank, numbers)
        return pages.page(
            request,
            "slot.html",
            name=name,
            rank=rank,
            number=number,
            numbers=numbers[-200:],
            slot=value,
            tree=tree_of(value.value, "") if value.value is not None or value.plain else None,
            lines=[line for line in lines if line.name == asked or line.name.startswith(f"{asked}.")][:12],
        )

    return [pages.route("/jobs/{job}/slot", slot)]
