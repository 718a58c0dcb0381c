"""Every request goes through here: who asks, how often, how much, and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio.to_thread

from lattice_addons.errors import LatticeError, NoAccessError, StoreError
from lattice_addons.service._problems import answer
from lattice_addons.service.access._patience import Patience, SilentError, silent

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from lattice_addons.service.access._access import Access
    from lattice_addons.service.access._audit import Audit
    from lattice_addons.service.access._limits import Limits
    from lattice_addons.service.access._quotas import Room
    from lattice_addons.storage import Store

__all__ = ["Gate"]

_SLOWEST = 1024  # bytes a second; who sends less for as long as one who is silent may be is cut off as well
_BAD_REQUEST = 400
_REFUSED = (401, 403)
_TOO_MANY = 429
_LOGIN = "/login"


class Gate:
    """Holds an application's requests to limits, and notes them."""

    def __init__(
        self, app: ASGIApp, *, store: Store, access: Access, limits: Limits, audit: Audit | None
    ) -> None:
        self._app = app
        self._store, self._access, self._limits, self._audit = store, access, limits, audit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or have the application answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        from starlette.requests import Request

        request = Request(scope, receive)
        address = request.client.host if request.client is not None else "local"
        passage = _Passage(self._limits, self._store, scope, receive, send)
        who, known = address, False
        try:
            _check_framing(scope)
            who, known = self._caller(request, address)
            self._admit(who, address, known=known, login=_is_login(scope))
            if not known and await self._access.learn(request):
                who, known = self._caller(request, address)
        except LatticeError as error:
            await (await answer(request, error))(scope, receive, passage.send)
        else:
            await passage.run(self._app, request)
        if not known and passage.status in _REFUSED:
            self._limits.count_stranger(address)
        self._note(passage, who, address, known=known)

    def _caller(self, request: Any, address: str) -> tuple[str, bool]:  # noqa: ANN401 - Starlette is imported when used
        try:
            return self._access.caller(request).name, True
        except NoAccessError:
            # The route says whether that matters: the login page is for those who are not known.
            return address, False

    def _admit(self, who: str, address: str, *, known: bool, login: bool) -> None:
        if known:
            self._limits.admit(who)
        else:
            self._limits.admit_stranger(address)
        if login:
            self._limits.count_stranger(address)

    def _note(self, passage: _Passage, who: str, address: str, *, known: bool) -> None:
        """Write down what changed something, who was refused, and who reads what."""
        scope, audit = passage.scope, self._audit
        job, key = passage.named("job"), passage.named("key")
        method = scope["method"]
        act = {"PUT": "write", "DELETE": "delete"}.get(method) or scope["path"].rpartition("/")[2]
        if act == "delete" and job is not None:
            self._limits.quotas.changed(job)
        if audit is None:
            return
        facts = {"key": key, "status": passage.status, "address": address}
        # What a page's form did: nothing yet where it only asked.
        told = scope.get("lattice.act")
        if told is not None:
            audit.note(who, told["act"], job, **facts, **told["facts"])
            return
        reads = method in ("GET", "HEAD", "OPTIONS")
        if not known and passage.status in (*_REFUSED, _TOO_MANY):
            # Nobody known must not be able to push out of the log what others did.
            audit.note_once(
                ("refused", address, str(passage.status)), who, "read" if reads else act, job, **facts
            )
        elif not reads:
            audit.note(who, act, job, bytes=passage.came, **facts)
        elif passage.status in _REFUSED or job is not None or key is not None:
            about = ("read", who, job or "", str(passage.status in _REFUSED))
            audit.note_once(about, who, "read", job, **facts)


class _Passage:
    """One request: what has come of it, and what was answered."""

    def __init__(self, limits: Limits, store: Store, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.status = 0
        self.came = 0
        self._limits, self._store = limits, store
        self._receive, self._send = receive, send
        self._room: Room | None = None
        self._patience = Patience(limits.patience)
        self._begun = self._whole = False

    def named(self, name: str) -> str | None:
        """Give what the path names, once a route was found for it."""
        value = self.scope.get("path_params", {}).get(name)
        return None if value is None else str(value)

    async def run(self, app: ASGIApp, request: Any) -> None:  # noqa: ANN401 - Starlette is imported when used
        """Have the application answer."""
        try:
            with self._patience:
                await app(self.scope, self.receive, self.send)
        except SilentError:
            if not self.status:
                await (await answer(request, silent(self._limits.patience)))(
                    self.scope, self._receive, self.send
                )
            # Else the server closes a connection on which an answer has not been sent to its end.
        finally:
            if self._room is not None:
                self._room.end(stored=200 <= self.status < 300)  # noqa: PLR2004 - the statuses of success

    async def send(self, message: Message) -> None:
        """Pass on what is answered."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
        with self._patience.waiting():
            await self._send(message)

    async def receive(self) -> Message:
        """Pass on what comes, as long as it is not too much."""
        if self._whole:
            return await self._receive()
        with self._patience.waiting():
            message = await self._receive()
        if message["type"] == "http.request":
            self.came += len(message.get("body", b""))
            self._whole = not message.get("more_body", False)
            waited = self._patience.waited
            if self._limits.patience and waited > self._limits.patience and self.came < waited * _SLOWEST:
                raise silent(self._limits.patience)
            await self._count()
        return message

    async def _count(self) -> None:
        is_object = self.scope["method"] == "PUT" and self.named("key") is not None
        declared = self._declared()
        self._limits.check_length(max(declared, self.came), text=not is_object)
        job, key = self.named("job"), self.named("key")
        if not self._begun and is_object and job is not None and key is not None:
            self._room = self._limits.quotas.room(self._store, job, f"/{key}")
        self._begun = True
        if self._room is not None and max(declared, self.came) > self._room.taken:
            await anyio.to_thread.run_sync(self._room.take, max(declared, self.came) - self._room.taken)

    def _declared(self) -> int:
        """Give how many bytes a request says to have; 0 where it does not."""
        told = next((value for name, value in self.scope["headers"] if name == b"content-length"), b"")
        return int(told) if told.isdigit() else 0


def _check_framing(scope: Scope) -> None:
    """Refuse what says twice where it ends: something in between may have read it as two requests."""
    names = [name for name, _ in scope["headers"]]
    if b"transfer-encoding" in names and b"content-length" in names:
        message = "the request has Content-Length and Transfer-Encoding: send one of them"
        raise StoreError(message, url="", status=_BAD_REQUEST)


def _is_login(scope: Scope) -> bool:
    return bool(scope["method"] == "POST" and scope["path"] == _LOGIN)
