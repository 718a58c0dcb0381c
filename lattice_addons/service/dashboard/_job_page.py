"""``/jobs/{job}``: one job: its timeline, its numbers, its slots, its hyper-parameters, its config, its saves."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from lattice_addons.errors import LatticeError
from lattice_addons.service.view import (
    config_of,
    costs,
    edits,
    hyperparams_of,
    slots_of,
    timeline,
    together,
    tree_of,
    unsent,
)

from ._events import of_job
from ._pages import link, number_in
from ._words import job_path

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from lattice_addons.checkpoint import Checkpoint
    from lattice_addons.service.view import HyperView, Node, RankView, SlotView

    from ._pages import Pages

__all__ = ["Contents", "contents", "made_before", "routes"]

_ROWS = 50
_SLOTS = 500
_LINES = 24


class Contents(NamedTuple):
    """What a checkpoint has, for the parts of pages that show it."""

    number: int
    before: int | None
    slots: list[SlotView]
    slots_left_out: int
    hyperparams: list[HyperView]
    config: Node | None
    config_note: str


def contents(pages: Pages, job: str, rank: int, numbers: tuple[int, ...], number: int) -> Contents:
    """Read what a checkpoint has, and what is other in the one before.

    Raises:
        NotInStoreError, CheckpointError: it is not there, or cannot be used.
    """
    manifests = pages.jobs.manifests
    checkpoint = manifests.whole(job, rank, number)
    before = made_before(pages, job, rank, numbers, number)
    slots = list(slots_of(checkpoint, before))
    config = config_of(manifests.line(job, rank), checkpoint)
    return Contents(
        number,
        before.number if before is not None else None,
        slots[:_SLOTS],
        max(len(slots) - _SLOTS, 0),
        list(hyperparams_of(checkpoint, before)),
        tree_of(config.value, "config") if config is not None and config.plain else None,
        "" if config is None else config.problem or config.why_not,
    )


def made_before(
    pages: Pages, job: str, rank: int, numbers: tuple[int, ...], number: int
) -> Checkpoint | None:
    """Give the checkpoint that was made before one; None where it is gone, or cannot be used."""
    older = [each for each in numbers if each < number]
    try:
        return pages.jobs.manifests.whole(job, rank, older[-1]) if older else None
    except LatticeError:
        return None


def routes(pages: Pages) -> list[Route]:
    """Give where the page is."""

    def job(request: Request) -> Response:
        name = pages.visible_job(request)
        ranks = pages.jobs.ranks(name)
        rank = _chosen(ranks, number_in(request, "rank", 0) or 0)
        if rank is None:
            return pages.problem(request, f"job {name!r} has no checkpoint yet", 404)
        view = together(name, ranks)
        told = timeline(pages.jobs.manifests, name, rank.rank, rank.numbers)
        newest_first = told.checkpoints[::-1]
        page, last = _page_of(request, len(newest_first))
        lives = {facts.number: life.number for life in told.lives for facts in life.checkpoints}
        found, problem = _newest(pages, name, rank)
        lines = pages.series.slots(name, rank.rank, rank.numbers)
        return pages.page(
            request,
            "job.html",
            events=of_job(view),
            job=view,
            rank=rank,
            ranks=ranks,
            timeline=told,
            lives=lives,
            saves=newest_first[(page - 1) * _ROWS : page * _ROWS],
            saves_count=len(newest_first),
            page=page,
            pages=last,
            lines=lines[:_LINES],
            lines_left_out=max(len(lines) - _LINES, 0),
            costs=costs(told.checkpoints),
            edits=edits(told.checkpoints),
            contents=found,
            problem=problem,
            unsent=unsent(pages.store, name),
            page_address=partial(_page_address, name, rank.rank),
        )

    return [pages.route("/jobs/{job}", job)]


def _page_of(request: Request, count: int) -> tuple[int, int]:
    """Give which page of rows is meant, and the last one."""
    last = max(-(-count // _ROWS), 1)
    return min(max(number_in(request, "page", 1) or 1, 1), last), last


def _page_address(name: str, rank: int, number: int) -> str:
    return link(job_path(name), rank=rank or None, page=number if number > 1 else None) + "#saves"


def _newest(pages: Pages, name: str, rank: RankView) -> tuple[Contents | None, str]:
    """Read the newest checkpoint that is good, and say why it is not the newest of all, or why there is none."""
    if not rank.recent:
        return None, rank.problem
    try:
        return contents(pages, name, rank.rank, rank.numbers, rank.recent[0].number), rank.problem
    except LatticeError as error:
        return None, str(error)


def _chosen(ranks: list[RankView], number: int) -> RankView | None:
    return next((rank for rank in ranks if rank.rank == number), ranks[0] if ranks else None)
