"""The requests to a checkpoint service: each with a deadline, made again where that may help, its errors as ours."""

from __future__ import annotations

import json
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, unquote

from lattice_addons.errors import LatticeError
from lattice_addons.storage.remote._connections import Ask
from lattice_addons.storage.remote._patience import persist
from lattice_addons.storage.remote._problems import Refusal, check_answer, explain, means

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lattice_addons.storage.remote._connections import Answer, Body, Connections
    from lattice_addons.storage.remote._faults import Where
    from lattice_addons.storage.remote._patience import Pulse

Result = TypeVar("Result")

__all__ = ["Expected", "Requests", "job_path", "object_path"]

_JOBS = "/v1/jobs/"


class Expected(Exception):  # noqa: N818 - an answer that was asked for, and no error of anybody's
    """A refusal that the caller wants to hear: what it means, and how often the request had been made before."""

    def __init__(self, means: str, tried: int) -> None:
        super().__init__(means)
        self.means = means
        self.tried = tried


class Requests:
    """A service, and who we are to it."""

    def __init__(self, connections: Connections, where: Where, token: str | None = None) -> None:
        self.where = where
        self._connections = connections
        self._token = token
        self._tokens: dict[str, str] = {}

    def learn(self, job: str, token: str) -> None:
        """Show this token where it is about a job, and no longer the one of everything else."""
        self._tokens[job] = token

    def ask(  # noqa: PLR0913 - what a request has
        self,
        action: str,
        key: str,
        request: tuple[str, str],
        *,
        headers: Mapping[str, str] | None = None,
        body: Callable[[Pulse], Body] | None = None,
        length: int = 0,
        most: int | None = None,
        expect: Sequence[str] = (),
    ) -> Answer:
        """Make a request (its method and path), again when that may help.

        ``body`` makes its bytes, for each attempt anew; ``expect`` are meanings that the caller wants to hear.
        """
        given = {"User-Agent": "lattice", **self._shown(request[1]), **(headers or {})}
        if body is not None:
            given["Content-Length"] = str(length)

        def once(pulse: Pulse, tried: int) -> Answer:
            ask = Ask(*request, given, body(pulse) if body is not None else None, length, most)
            try:
                return check_answer(self._connections.exchange(ask, pulse))
            except Refusal as refusal:
                found = means(refusal)
                if found in expect:
                    raise Expected(found, tried) from None
                raise

        try:
            return persist(once, self.where)
        except (Expected, LatticeError):
            raise
        except Exception as error:  # noqa: BLE001 - those of sockets, of TLS and of HTTP have no common base
            raise explain(self.where, error, action, key) from None

    def _shown(self, path: str) -> dict[str, str]:
        job = unquote(path.removeprefix(_JOBS).partition("/")[0]) if path.startswith(_JOBS) else ""
        token = self._tokens.get(job, self._token)
        return {"Authorization": f"Bearer {token}"} if token else {}

    def json(self, action: str, key: str, path: str, take: Callable[[Any], Result]) -> Result:
        """Ask for a JSON document, and take from it what is wanted."""
        answer = self.ask(action, key, ("GET", path), headers={"Accept": "application/json"})
        try:
            return take(json.loads(answer.data))
        except (ValueError, TypeError, KeyError, AttributeError):
            error = HTTPException("this is no answer of a checkpoint service")
            raise explain(self.where, error, action, key) from None


def job_path(job: str, rest: str = "") -> str:
    """Give the path of a job, or of something of it."""
    return f"{_JOBS}{quote(job, safe='')}{rest}"


def object_path(key: str) -> str:
    """Give the path of an object: below its job, or in none where its key has one part."""
    job, found, rest = key.partition("/")
    return job_path(job, f"/objects/{quote(rest)}") if found else f"/v1/store/objects/{quote(job, safe='')}"
