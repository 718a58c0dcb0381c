"""What is stored counts when it is whole, its digest is right and its condition holds; then it is durable."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.requests import ClientDisconnect
from starlette.responses import Response

from lattice_addons.errors import DamagedError, NotInStoreError
from lattice_addons.service._threads import settled

from ._ask import digest_of, etag, is_new_only, match_on, name_of, taken
from ._changing import tag_of
from ._place import allow, key_of

if TYPE_CHECKING:
    from starlette.datastructures import Headers
    from starlette.requests import Request

    from lattice_addons.service._threads import Threads
    from lattice_addons.storage import Store, Writer

__all__ = ["write"]


async def write(request: Request) -> Response:
    """Store an object: its bytes go beside its place, and to it when they are whole and what they should be."""
    allow(request, "write")
    key, state = key_of(request), request.app.state
    new, digest = is_new_only(request.headers), digest_of(request.headers)
    said = (key, digest, name_of(request.headers))
    if (known := state.repeats.tag(said)) is not None:
        return _stored(known)
    if new:
        await _refuse_there(state, key)
    receiving = _Receiving(state.threads, state.store, key, over=not new)
    try:
        await receiving.take(request)
        async with state.changing.of([key]):
            tag = state.repeats.tag(said)
            if tag is None:
                tag = await state.threads.run(receiving.place, request.headers, digest)
                state.repeats.note(said, tag)
    except ClientDisconnect:
        # Nobody waits for an answer, and nothing has been stored.
        return Response(status_code=HTTPStatus.BAD_REQUEST)
    finally:
        # To change to another thread takes longer than to store what is small.
        if not receiving.placed:
            await state.threads.run(receiving.give_up)
    return _stored(tag)


def _stored(tag: str) -> Response:
    return Response(status_code=HTTPStatus.CREATED, headers={"etag": etag(tag)} if tag else {})


async def _refuse_there(state: Any, key: str) -> None:  # noqa: ANN401 - of an application, whatever it has
    """Say that a key is there before its bytes are sent for nothing."""
    with suppress(NotInStoreError):
        await state.threads.run(state.store.size, key)
        raise taken(key)


class _Receiving:
    """The bytes of one request, on their way to the store."""

    def __init__(self, threads: Threads, store: Store, key: str, *, over: bool) -> None:
        from blake3 import blake3

        self._threads = threads
        self._store = store
        self._key = key
        self._over = over
        self._hash = blake3()
        self._opened = ExitStack()
        self._writer: Writer | None = None
        self._size = 0
        self._last = bytearray()
        self.placed = False

    async def take(self, request: Request) -> None:
        """Write what comes, but for the last piece: one while the next one comes, and no more is in memory."""
        pending = bytearray()
        writing: asyncio.Future[None] | None = None
        try:
            with self._threads.stream():
                async for data in request.stream():
                    pending += data
                    if len(pending) >= self._threads.piece:
                        if writing is not None:
                            await writing
                        writing, pending = (
                            asyncio.ensure_future(self._threads.run(self._write, pending)),
                            bytearray(),
                        )
                if writing is not None:
                    await writing
                self._last = pending
        finally:
            if writing is not None:
                # It must not write to a file that is closed.
                await settled(writing)

    def _write(self, data: bytearray) -> None:
        if self._writer is None:
            self._writer = self._opened.enter_context(self._store.stage(self._key, over=self._over))
        self._hash.update(data)
        self._writer.write(data)
        self._size += len(data)

    def _check(self, digest: str) -> None:
        """See that what came is what was sent."""
        there = self._hash.hexdigest()
        if there != digest:
            message = (
                f"the {self._size} bytes that arrived for {self._key} are not those that were sent "
                f"(blake3 {there}, not {digest}), and nothing was stored: send them again"
            )
            status = HTTPStatus.UNPROCESSABLE_ENTITY
            raise DamagedError(message, key=self._key, status=int(status), size=self._size, digest=there)

    def place(self, headers: Headers, digest: str) -> str:
        """Put at its place what came, when it is what was sent and its condition holds; give its tag."""
        self._write(self._last)
        self._check(digest)
        if "if-match" in headers:
            with self._store.exclusive(self._key.rpartition("/")[0]):
                match_on(headers, tag_of(self._store, self._key))
                self._opened.close()
        else:
            self._opened.close()
        self.placed = True
        return self._store.facts(self._key).tag

    def give_up(self) -> None:
        """Remove what was written and has no place; nothing where it has one."""
        with suppress(_GivenUpError), self._opened.pop_all():
            raise _GivenUpError


class _GivenUpError(Exception):
    """What ends the block in which a key is written, so that it is not there."""
