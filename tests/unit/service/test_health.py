"""Whether the service is well can be asked by anybody, and so it costs next to nothing."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest

pytest.importorskip("starlette", reason="the service is of the extra `service`")

from lattice_addons.errors import UnreachableError
from lattice_addons.service import make_app
from lattice_addons.storage import MemoryStore
from tests.integration.asking import OBJECT, asked, digest_of


class Silent(MemoryStore):
    """A store that answers when it may."""

    def __init__(self) -> None:
        super().__init__("silent")
        self.asked = 0
        self.begun, self.answers = threading.Event(), threading.Event()

    def folders(self, prefix: str = "") -> list[str]:
        """Wait, and fail."""
        del prefix
        self.asked += 1
        self.begun.set()
        assert self.answers.wait(60)
        raise UnreachableError("away", url=self.url)


def test_all_who_ask_wait_for_one_look() -> None:
    """While the store is silent, the threads are left to what programs ask for; and the answer holds for a while."""
    store = Silent()
    app = make_app(store)

    async def main() -> None:
        asking = [asyncio.ensure_future(asked(app, "GET", "/healthz")) for _ in range(100)]
        assert await asyncio.to_thread(store.begun.wait, 60)
        # The one for whom it is asked goes away: the others have their answer all the same.
        asking[0].cancel()
        put = await asked(app, "PUT", OBJECT, [b"abc"], lattice_digest=digest_of(b"abc"))
        assert put[0] == 201
        store.answers.set()
        told = await asyncio.gather(*asking[1:], asked(app, "GET", "/healthz"))
        assert {status for status, _ in told} == {503}
        assert json.loads(told[0][1])["fault"] == "UnreachableError"
        assert store.asked == 1

    asyncio.run(main())
