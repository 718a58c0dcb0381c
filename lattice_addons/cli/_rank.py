"""The line that a command line means: a job, and one of its ranks."""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from lattice_addons.errors import NotInStoreError, StoreError

from ._output import plain
from ._store import spooled

if TYPE_CHECKING:
    import argparse

    from lattice_addons.checkpoint import Checkpoint, Line

    from ._store import OpenStore


_NUMBERED = re.compile(r"(.+)@([0-9]+)")


def add_rank_argument(parser: argparse.ArgumentParser) -> None:
    """Let a command be told the rank."""
    parser.add_argument("--rank", type=int, default=0, metavar="R", help="the line of rank R (default: 0)")


def job_and_number(told: str, known: list[str]) -> tuple[str, int | None]:
    """Tell JOB and N of ``JOB@N`` apart; a job may have an @ in its name."""
    match = _NUMBERED.fullmatch(told)
    if match is None or told in known:
        return told, None
    return match[1], int(match[2])


def line_of(opened: OpenStore, job: str, rank: int) -> Line:
    """Give the line of a job that is there; where it is another than the one in the store, people are told."""
    line = next((line for line in opened.lines(job) if line.rank == rank), None)
    if line is None:
        message = f"job {job!r} has no rank {rank} in {opened.store.url}"
        raise NotInStoreError(message, url=opened.store.url, key=job)
    say_where_it_parts(line)
    return line


def say_where_it_parts(line: Line) -> None:
    """Tell people where the line that this machine has is another than the one in the store by now."""
    store = spooled(line.store)
    parted = None
    with suppress(StoreError):  # what is on this machine can be looked at all the same
        parted = store.parted(line.folder) if store is not None else None
    if parted is not None:
        told = (
            f"lattice: {line.job}, rank {line.rank}: {line.store.url} has another line, up to checkpoint "
            f"{parted.there[-1]}. Of a number that both lines have, this machine's checkpoint is shown. The program's "
            f"next start here goes on from the other line, and puts this machine's aside, for "
            f"`lattice choose {line.job}`"
        )
        sys.stderr.write(f"{plain(told)}\n")


def checkpoint_of(line: Line, number: int | None) -> Checkpoint:
    """Give a checkpoint of a line; without a number, the newest good one."""
    if number is not None and number not in line.numbers():
        there = ", ".join(map(str, line.numbers())) or "none"
        message = f"job {line.job!r} has no checkpoint {number} in {line.store.url}; it has: {there}"
        raise NotInStoreError(message, url=line.store.url, key=line.job)
    checkpoint = line.newest() if number is None else line.load(number)
    if checkpoint is None:
        message = f"job {line.job!r} has no checkpoint yet in {line.store.url}"
        raise NotInStoreError(message, url=line.store.url, key=line.job)
    return checkpoint
