"""An act is a form sent twice: first it is said what it would do, then, when just that is confirmed, it is done."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from starlette.responses import RedirectResponse
from starlette.routing import Route

from lattice_addons.errors import LatticeError, NoAccessError, NotInStoreError
from lattice_addons.service.dashboard._pages import link, whole_number
from lattice_addons.service.dashboard._words import job_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from lattice_addons.service.dashboard._pages import Pages

__all__ = ["Act", "Asked", "Done", "Input", "Plan", "act_route"]

_SEE_OTHER, _CONFLICT = 303, 409
_CONFIRMED = "confirmed"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a form asks for: which job, with which fields, and who."""

    pages: Pages
    job: str
    fields: Mapping[str, str]
    who: str

    def number(self, name: str, default: int | None = None) -> int:
        """Give a whole number of the form.

        Raises:
            NotInStoreError: it has none, and there is no default.
        """
        number = whole_number(self.fields.get(name, "").strip())
        if number is not None:
            return number
        if default is None:
            message = f"the form names no {name}: go back, and choose one"
            raise NotInStoreError(message, url=self.pages.store.url, key=self.job)
        return default


class Input(NamedTuple):
    """A number that can be changed before it is confirmed."""

    name: str
    label: str
    value: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What an act will do, in words and numbers. It is done as it was said, or asked again."""

    title: str
    button: str
    facts: tuple[tuple[str, str], ...]
    back: str
    #: Fields that are sent again.
    fields: Mapping[str, str] = field(default_factory=dict)
    inputs: tuple[Input, ...] = ()
    notes: tuple[str, ...] = ()
    #: Why it cannot be done now; then there is nothing to confirm.
    refused: str = ""
    #: Whether something goes that does not come back.
    grave: bool = False

    @property
    def mark(self) -> str:
        """Give what tells these words from any others."""
        said = repr((self.title, self.facts, self.notes, sorted(self.fields.items()), self.inputs))
        return hashlib.blake2s(said.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


class Done(NamedTuple):
    """What came of an act, where to go then, and what the audit log has of it."""

    text: str
    to: str
    facts: Mapping[str, object]


class Act(NamedTuple):
    """One thing that can be done to a job, by whom, and how."""

    name: str
    right: str
    ask: Callable[[Asked], Plan]
    do: Callable[[Asked, Plan], Done]


def act_route(pages: Pages, act: Act) -> Route:
    """Let forms ask for an act at ``/jobs/{job}/acts/<its name>``, and confirm it there."""

    async def answered(request: Request) -> Response:
        async def made() -> Response:
            fields = await pages.access.form(request)
            return await pages.threads.run(_answer, pages, request, act, fields)

        return await pages.answered(request, made)

    return Route(f"/jobs/{{job}}/acts/{act.name}", answered, methods=["POST"], name=f"act-{act.name}")


def _answer(pages: Pages, request: Request, act: Act, fields: dict[str, str]) -> Response:
    job = pages.visible_job(request)
    pages.access.allows(request, job, act.right)
    asked = Asked(pages, job, fields, pages.access.caller(request).name)
    confirmed = fields.get(_CONFIRMED)
    plan = act.ask(asked)
    if plan.refused or confirmed != plan.mark:
        _note(request, f"ask {act.name}", {})
        return _said(pages, request, act, asked, plan, changed=confirmed is not None)
    try:
        done = act.do(asked, plan)
    except NoAccessError:
        raise
    except LatticeError as error:
        _note(request, act.name, {"failed": str(error)})
        return _said(pages, request, act, asked, plan, refused=str(error))
    _note(request, act.name, done.facts)
    return RedirectResponse(link(done.to, told=pages.news.keep(done.text)), _SEE_OTHER)


def _said(  # noqa: PLR0913 - what is said of what
    pages: Pages,
    request: Request,
    act: Act,
    asked: Asked,
    plan: Plan,
    *,
    changed: bool = False,
    refused: str = "",
) -> Response:
    refused = refused or plan.refused
    return pages.page(
        request,
        "ask.html",
        _CONFLICT if refused else 200,
        name=asked.job,
        plan=plan,
        refused=refused,
        changed=changed and not refused,
        action=f"{job_path(asked.job)}/acts/{act.name}",
    )


def _note(request: Request, act: str, facts: Mapping[str, object]) -> None:
    """Tell the gate, which keeps the audit log where there is one."""
    request.scope["lattice.act"] = {"act": act, "facts": dict(facts)}
