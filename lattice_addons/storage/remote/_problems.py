"""What a service refuses it says as a problem, which names our error, what happened and what helps."""

from __future__ import annotations

import errno
import json
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from lattice_addons import errors
from lattice_addons.errors import LatticeError, NoAccessError, StoreError, UnreachableError
from lattice_addons.storage._faults import already_there, coded, not_there
from lattice_addons.storage.remote._faults import ACCESS, AGAIN, GONE, OTHER, RANGE, THERE, meaning, said

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lattice_addons.storage.remote._connections import Answer
    from lattice_addons.storage.remote._faults import Where

__all__ = ["Postponed", "Refusal", "check_answer", "explain", "means"]

_LONGEST = 2_000
_LONGEST_PAUSE = 5.0
_LATER = (429, 503)
_AGAIN = (408, 425, 429, 500, 502, 503, 504)
_FAULT, _UNPROCESSABLE = 500, 422
_BY_NUMBER = {401: ACCESS, 403: ACCESS, 404: GONE, 412: THERE, 416: RANGE}
_CODES = {ACCESS: errno.EACCES, AGAIN: errno.EHOSTUNREACH}
# Facts that the text has, or that are true of the server's side alone.
_NOT_FACTS = frozenset({"type", "title", "status", "detail", "hint", "instance", "errno", "url", "args"})


class Refusal(Exception):  # noqa: N818 - an answer, which is no error where it was expected
    """An answer that is no: its status, and what the server says of it."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(f"{status} {_line(problem.get('title') or problem.get('detail') or '')}".strip())
        # Not called `status`: what is asked again is decided here.
        self.number = status
        self.kind = str(problem.get("type") or "").rpartition("/")[2].rpartition("#")[2]
        self.detail = _line(problem.get("detail") or problem.get("title") or "")
        self.hint = _line(problem.get("hint") or "")
        self.facts = {
            name: value
            for name, value in problem.items()
            if name.isidentifier() and name not in _NOT_FACTS and isinstance(value, (str, int, float))
        }
        known = problem.get("errno")
        self.errno = known if isinstance(known, int) else 0


class Postponed(Refusal):
    """What may be over in a moment."""


def check_answer(answer: Answer) -> Answer:
    """Give the answer back, or raise what it refuses; one that says when to come back has been waited for."""
    if answer.status < 300:  # noqa: PLR2004 - as HTTP numbers what is good
        return answer
    problem: object = None
    with suppress(ValueError):
        problem = json.loads(answer.data)
    told = problem if isinstance(problem, dict) else {}
    if answer.status in _LATER:
        with suppress(ValueError):
            time.sleep(min(max(float(answer.headers.get("retry-after", "")), 0), _LONGEST_PAUSE))
    # Bytes that were spoilt on their way are sent once more; a fault that the service can name stays.
    spoilt = answer.status == _UNPROCESSABLE and told.get("type") == "DamagedError"
    named = answer.status == _FAULT and told.get("type") not in (None, "LatticeError")
    kind = Postponed if (answer.status in _AGAIN and not named) or spoilt else Refusal
    raise kind(answer.status, told)


def means(error: BaseException) -> str:
    """Say what an error means; of a service's answer its status says it."""
    if not isinstance(error, Refusal):
        return meaning(error)
    if isinstance(error, Postponed):
        return AGAIN
    if error.errno == errno.EEXIST:
        return THERE
    return _BY_NUMBER.get(error.number, OTHER)


def explain(where: Where, error: BaseException, action: str, key: str) -> LatticeError:
    """Make our error of what went wrong: the server's own words, where it has said some."""
    if type(error).__name__ in ("SSLError", "SSLCertVerificationError"):
        return _not_by_tls(where, error)
    if not isinstance(error, Refusal):
        return where.explain(error, action, key)
    found = means(error)
    if found == GONE:
        return not_there(where.url, key or "the store's folder")
    if found == THERE:
        return already_there(where.url, key)
    if found == AGAIN and not error.detail:
        return where.explain(error, action, key)
    advice = "see that this is a checkpoint service, and what its log says"
    text = error.detail or f"it does not say why: {advice}"
    text = text if not error.hint or error.hint in text else f"{text}: {error.hint}"
    message = f"{where.url} refuses to {action} {key or 'the store'} ({error.number}): {text}"
    base = NoAccessError if found == ACCESS else UnreachableError if found == AGAIN else StoreError
    kind = _class_of(error.kind)
    kind = kind if issubclass(kind, base) or base is StoreError else base
    made = kind(message, **({"key": key} | error.facts | {"url": where.url}))
    if isinstance(made, StoreError):
        coded(made, error.errno or _CODES.get(found, errno.EIO))
    return made


def _class_of(kind: str) -> type[LatticeError]:
    """Give the error of that name, if it is one of ours that a store may raise."""
    found = getattr(errors, kind, None) if kind in errors.__all__ else None
    if isinstance(found, type) and issubclass(found, (StoreError, errors.CheckpointError)):
        return found
    return StoreError


def _not_by_tls(where: Where, error: BaseException) -> StoreError:
    advice = (
        "name the certificate of its authority by opt.cafile=FILE, and the host by the name that is in it"
    )
    if type(error).__name__ != "SSLCertVerificationError":
        advice = "where it is not served by TLS, the address is lattice://, or opt.tls is left out"
    message = f"{where.endpoint} is not who it should be by TLS ({said(error)}): {advice}"
    return coded(NoAccessError(message, url=where.url, key=""), errno.EACCES)


def _line(text: object) -> str:
    """Give a server's text as one line of bounded length, without what a terminal would obey."""
    shown = "".join(mark if mark.isprintable() else " " for mark in str(text)[:_LONGEST])
    return " ".join(shown.split())
