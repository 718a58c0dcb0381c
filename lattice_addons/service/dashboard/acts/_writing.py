"""Who changes what a job's program writes, has to be the only one who does."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from lattice_addons.checkpoint import Line, ranks
from lattice_addons.errors import LeaseHeldError
from lattice_addons.service.view import LOST, RUNNING
from lattice_addons.storage import claimed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lattice_addons.service.dashboard._pages import Pages
    from lattice_addons.settings import Settings

__all__ = ["lines_of", "ranges", "who_writes", "writing"]


def lines_of(pages: Pages, job: str, settings: Settings | None = None) -> list[Line]:
    """Give the line of each rank of a job."""
    settings = settings if settings is not None else pages.jobs.manifests.settings
    return [Line(pages.store, job, rank, settings=settings) for rank in ranks(pages.store, job)]


def who_writes(pages: Pages, job: str) -> str:
    """Say which process keeps others from changing a job; nothing where none does."""
    for rank in pages.jobs.ranks(job):
        who = f"process {rank.pid} on host {rank.host}" if rank.pid else "a process"
        if rank.state == RUNNING:
            return f"{who} runs, and writes this job: end it first"
        if rank.state == LOST:
            return (
                f"{who} has not been heard of, and may still write this job. Where it runs no more, start the program "
                "again, or use the command there: it waits until the claim has expired"
            )
    return ""


@contextmanager
def writing(pages: Pages, job: str, settings: Settings | None = None) -> Iterator[list[Line]]:
    """Have the right to write a job, on all ranks, in a block.

    Raises:
        LeaseHeldError: a program writes it, or may.
    """
    who = who_writes(pages, job)
    if who:
        raise LeaseHeldError(f"{who}; nothing was changed", url=pages.store.url, job=job, host="", pid=0)
    lines = lines_of(pages, job, settings)
    with ExitStack() as held:
        for line in lines:
            held.callback(line.release)
            line.acquire()
            held.enter_context(claimed(line.store, line.folder))
        yield lines


def ranges(numbers: tuple[int, ...]) -> str:
    """Write numbers in a row as one.

    >>> ranges((1, 2, 3, 5, 8, 9)), ranges(())
    ('1–3, 5, 8–9', 'none')
    """
    told: list[list[int]] = []
    for number in numbers:
        if told and told[-1][1] == number - 1:
            told[-1][1] = number
        else:
            told.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}–{last}" for first, last in told) or "none"
