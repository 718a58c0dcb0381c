"""Steer: the config of a running program is changed, and the program says whether it takes the change over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons.errors import NotInStoreError, OverrideError
from lattice_addons.service.dashboard._events import of_job
from lattice_addons.service.dashboard._pages import number_in
from lattice_addons.service.dashboard._words import job_path
from lattice_addons.service.view import LOST, RUNNING, config_of

from ._asking import Act, Asked, Done, Plan

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from lattice_addons.hyperstate import Requests, Settable
    from lattice_addons.service.dashboard._pages import Pages
    from lattice_addons.service.view import SlotValue

__all__ = ["ACT", "TAKE_BACK", "routes"]

_SET, _WAS, _OVERRIDE, _MORE = "set.", "was.", "override.", "more"
_FIELDS, _LONG = 300, 2000


def routes(pages: Pages) -> list[Route]:
    """Give where the page is."""

    def steer(request: Request) -> Response:
        job = pages.visible_job(request)
        rank = number_in(request, "rank", 0) or 0
        before = pages.jobs.job(job)
        config = _config(pages, job, rank)
        fields = _settable(config)
        runs = _running(pages, job)
        changes = pages.steering.of(job, lambda each: _requests(pages, job, each))
        known = {change.name for change in changes}
        others = [
            (each, told)
            for each in runs
            for told in _requests(pages, job, each).waiting()
            if told.name not in known
        ]
        return pages.page(
            request,
            "steer.html",
            events=of_job(before) if before else "",
            name=job,
            rank=rank,
            fields=fields[:_FIELDS],
            left_out=max(len(fields) - _FIELDS, 0),
            note="" if config is None else config.problem or config.why_not,
            is_one=config is not None,
            running=runs,
            changes=changes,
            others=others,
            waits=any(change.accepted is None for change in changes),
        )

    return [pages.route("/jobs/{job}/steer", steer)]


def _ask(asked: Asked) -> Plan:
    from lattice_addons.hyperstate import check_overrides

    known = _settable(_config(asked.pages, asked.job, 0))
    overrides = _overrides(asked, known)
    check_overrides(overrides, known)
    values = {each.path: each.text for each in known}
    running = _running(asked.pages, asked.job)
    who = f"{len(running)} ranks that run" if len(running) > 1 else "the process that runs"
    facts = [
        (path, f"{values[path]} → {text}" if path in values else text)
        for path, _, text in (override.partition("=") for override in overrides)
    ]
    return Plan(
        f"Change the config of {asked.job}",
        f"Change {len(overrides)} value{'s' * (len(overrides) > 1)}",
        (
            *facts,
            ("Asked of", who),
            ("Taken over", "at its next step, all of it or nothing; it refuses what does not fit its classes"),
        ),
        _back(asked.job),
        {f"{_OVERRIDE}{number}": override for number, override in enumerate(overrides)},
        refused="" if running else "no process runs this job: start it with an override, or edit its newest checkpoint",
    )  # fmt: skip


def _do(asked: Asked, plan: Plan) -> Done:
    overrides = list(plan.fields.values())
    running = _running(asked.pages, asked.job)
    for rank in running:
        name = _requests(asked.pages, asked.job, rank).ask(overrides, by=f"{asked.who} (dashboard)")
        asked.pages.steering.add(asked.job, name, rank, overrides, asked.who)
    return Done("The program was asked.", _back(asked.job), {"overrides": overrides, "ranks": running})


def _ask_back(asked: Asked) -> Plan:
    rank, name = asked.number("rank", 0), asked.fields.get("request", "")
    waiting = {each.name: each for each in _requests(asked.pages, asked.job, rank).waiting()}
    if name not in waiting:
        message = "the program has answered that already, or somebody took it back"
        raise NotInStoreError(message, url=asked.pages.store.url, key=asked.job)
    request = waiting[name]
    facts = (
        ("Was asked", ", ".join(request.overrides) or "nothing"),
        ("By", f"{request.by}, at {request.at}"),
    )
    fields = {"rank": str(rank), "request": name}
    return Plan(f"Ask {asked.job} no more", "Take it back", facts, _back(asked.job), fields)


def _do_back(asked: Asked, plan: Plan) -> Done:
    rank, name = int(plan.fields["rank"]), plan.fields["request"]
    there = _requests(asked.pages, asked.job, rank).take_back(name)
    if there:
        asked.pages.steering.forget(asked.job, name)
    told = "It is asked no more." if there else "The program has answered meanwhile."
    return Done(told, _back(asked.job), {"request": name, "was_there": there})


def _overrides(asked: Asked, known: list[Settable]) -> list[str]:
    """Give what a form asks for: fields that are other than they are, and lines of ``FIELD=VALUE``."""
    fields = asked.fields
    found = [text for name, text in fields.items() if name.startswith(_OVERRIDE)]
    for each in known:
        text = fields.get(f"{_SET}{each.path}")
        # What the page showed counts: a field that nobody touched must not set back what was changed meanwhile.
        if text is not None and text != fields.get(f"{_WAS}{each.path}", each.text):
            found.append(f"{each.path}={text}")
    found += [line.strip() for line in fields.get(_MORE, "").splitlines() if line.strip()]
    if not found:
        message = "nothing is to be changed: go back, and give a field another value"
        raise OverrideError(message, override="", path="")
    return found


def _config(pages: Pages, job: str, rank: int) -> SlotValue | None:
    """Give the config of the newest checkpoint; None where it is no HyperState's, or none can be read."""
    numbers = pages.jobs.manifests.numbers(job, rank)
    if not numbers:
        return None
    manifests = pages.jobs.manifests
    return config_of(manifests.line(job, rank), manifests.whole(job, rank, numbers[-1]))


def _settable(config: SlotValue | None) -> list[Settable]:
    from lattice_addons.hyperstate import settable

    if config is None or not config.plain:
        return []
    return [each for each in settable(config.value) if len(each.text) <= _LONG]


def _running(pages: Pages, job: str) -> list[int]:
    """Give the ranks that may answer."""
    return [rank.rank for rank in pages.jobs.ranks(job) if rank.state in (RUNNING, LOST)]


def _requests(pages: Pages, job: str, rank: int) -> Requests:
    from lattice_addons.hyperstate import Requests

    line = pages.jobs.manifests.line(job, rank)
    return Requests(line.store, line.folder)


def _back(job: str) -> str:
    return f"{job_path(job)}/steer"


ACT = Act("steer", "write", _ask, _do)
TAKE_BACK = Act("take-back", "write", _ask_back, _do_back)
