"""``/``: all jobs, searched, filtered, sorted, a page at a time."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, NamedTuple

from lattice_addons.service.view import STATES

from ._events import of_all
from ._pages import link, number_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from lattice_addons.service.view import JobView

    from ._pages import Pages

__all__ = ["Choice", "routes"]

_ROWS = 50
_LONG_AGO = datetime.min.replace(tzinfo=timezone.utc)


class Column(NamedTuple):
    """A column of the table: its name in addresses, its heading, what it is sorted by, and whether downwards first."""

    name: str
    heading: str
    key: Callable[[JobView], Any]
    down: bool


COLUMNS = (
    Column("name", "Job", lambda job: job.name.casefold(), down=False),
    Column("state", "State", lambda job: STATES.index(job.state), down=False),
    Column("last", "Last checkpoint", lambda job: job.last or _LONG_AGO, down=True),
    Column("lost", "Would be lost now", lambda job: _or(job.lost_seconds, -1.0), down=True),
    Column("size", "Size", lambda job: job.size, down=True),
    Column("pace", "Pace", lambda job: (job.saves_per_minute, job.bytes_per_second), down=True),
)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which jobs are shown, and in what order, as the address says."""

    text: str = ""
    state: str = ""
    sort: str = "state"
    down: bool = False
    page: int = 1

    @classmethod
    def of(cls, request: Request) -> Choice:
        """Read an address; what cannot be is as if it were not there."""
        query = request.query_params
        column = next((each for each in COLUMNS if each.name == query.get("sort")), None)
        downwards = {"down": True, "up": False}.get(query.get("order", ""))
        state = query.get("state", "")
        return cls(
            query.get("q", "")[:200],
            state if state in STATES else "",
            column.name if column is not None else "state",
            downwards if downwards is not None else column is not None and column.down,
            max(number_in(request, "page", 1) or 1, 1),
        )

    def address(self, **other: object) -> str:
        """Give the address of this choice, but for what is said to be other."""
        order = "down" if self.down else "up"
        told = {
            "q": self.text,
            "state": self.state,
            "sort": self.sort,
            "order": order,
            "page": self.page,
            **other,
        }
        if told["sort"] == "state" and told["order"] == "up":
            told |= {"sort": None, "order": None}
        if told["page"] == 1:
            told["page"] = None
        return link("/", **told)

    def page_address(self, page: int) -> str:
        """Give the address of another page of the same."""
        return self.address(page=page)

    def matching(self, jobs: list[JobView]) -> list[JobView]:
        """Give those whose name, host or reason has the text that is searched."""
        words = self.text.casefold().split()
        return [job for job in jobs if all(word in _searched(job) for word in words)]

    def ordered(self, jobs: list[JobView]) -> list[JobView]:
        """Sort jobs; those that are equal by name."""
        column = next(each for each in COLUMNS if each.name == self.sort)
        jobs = sorted(jobs, key=COLUMNS[0].key)
        if self.sort == "state" and not self.down:
            # Of those that ended, what was saved last is what people look for; those that run stay at their places.
            jobs.sort(key=lambda job: _LONG_AGO if job.alive else job.last or _LONG_AGO, reverse=True)
        return sorted(jobs, key=column.key, reverse=self.down)


def routes(pages: Pages) -> list[Route]:
    """Give where the page is."""

    def jobs(request: Request) -> Response:
        may_see = pages.access.visible(request)
        # While a page is open its events keep this new: loading it need not wait for another look.
        now = pages.board.now(fresh=3.0)
        choice = Choice.of(request)
        mine = [job for job in now.jobs.values() if may_see(job.name)]
        found = choice.matching(mine)
        chosen = [job for job in found if choice.state in ("", job.state)]
        last = max(-(-len(chosen) // _ROWS), 1)
        page = min(choice.page, last)
        return pages.page(
            request,
            "jobs.html",
            events=of_all(now, mine),
            jobs=choice.ordered(chosen)[(page - 1) * _ROWS : page * _ROWS],
            every=len(mine),
            matching=len(found),
            chosen=len(chosen),
            states=[(state, Counter(job.state for job in found)[state]) for state in STATES],
            lost=_lost(mine),
            columns=COLUMNS,
            choice=choice,
            page=page,
            pages=last,
            waiting=now.waiting,
            problem=now.problem,
        )

    return [pages.route("/", jobs)]


def _lost(jobs: list[JobView]) -> tuple[int, int, datetime | None]:
    """Give how many jobs would lose something now, how many bytes, and from when on, for the one that loses most."""
    alive = [job for job in jobs if job.lost_seconds is not None]
    bytes_lost = sum(job.lost_bytes or 0 for job in alive)
    return len(alive), bytes_lost, min((job.since for job in alive if job.since is not None), default=None)


def _searched(job: JobView) -> str:
    return f"{job.name} {job.host} {job.reason} {job.state}".casefold()


def _or(value: float | None, other: float) -> float:
    return other if value is None else value
