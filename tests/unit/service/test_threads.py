"""Calls of a store in threads: bounded, in turn, and never left alone with a file that is closed."""

from __future__ import annotations

import asyncio
import threading

import pytest

pytest.importorskip("starlette", reason="the service is of the extra `service`")

from lattice_addons.service._threads import Threads


def test_who_is_cancelled_ends_after_the_call() -> None:
    """However often it is told to: else the call would go on with what its caller has closed."""
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def call() -> None:
        begun.set()
        assert go_on.wait(60)
        ended.set()

    async def main() -> None:
        threads = Threads()
        task = asyncio.ensure_future(threads.run(call))
        await asyncio.get_running_loop().run_in_executor(None, begun.wait, 60)
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(0.01)
            assert not task.done()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended.is_set()
        threads.close()

    asyncio.run(main())


def test_so_many_run_at_once_and_the_others_follow() -> None:
    """More calls than threads: each has its turn, and no more run than there are threads."""
    running, most, done = 0, 0, 0
    counting = threading.Lock()
    # However slow the machine is, four are in the call at the same time before one leaves it.
    together = threading.Barrier(4)

    def call() -> None:
        nonlocal running, most, done
        with counting:
            running += 1
            most = max(most, running)
        threading.Event().wait(0.002)
        together.wait(60)
        with counting:
            running -= 1
            done += 1

    async def main() -> None:
        threads = Threads(4)
        await asyncio.gather(*(threads.run(call) for _ in range(48)))
        threads.close()

    asyncio.run(main())
    assert (most, done, running) == (4, 48, 0)


def test_many_streams_share_the_memory() -> None:
    """One has a large piece, a thousand have small ones."""
    threads = Threads()
    alone = threads.piece
    streams = [threads.stream() for _ in range(200)]
    for stream in streams:
        stream.__enter__()
    assert alone == 1 << 20
    assert threads.piece * 200 <= 33 << 20
    for stream in streams:
        stream.__exit__(None, None, None)
    assert threads.piece == alone
    threads.close()
