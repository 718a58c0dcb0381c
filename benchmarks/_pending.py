"""A program that ends with much that is not up yet, over a slow link, stands still no longer than its grace."""

from __future__ import annotations

import subprocess
import time
from itertools import count
from typing import TYPE_CHECKING

from benchmarks import _state
from benchmarks._apart import command, plain_environ
from benchmarks._measure import Contender, Times, in_turn, ratio
from benchmarks._row import Row, failed
from benchmarks._servers import started

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from benchmarks._setup import Setup

__all__ = ["ending", "pending"]

#: With it, the uploads of 1 GiB take minutes.
RATE = 4_000_000
GRACE = 10.0
READY = "ready"


def pending(setup: Setup) -> Iterator[Row]:
    """Compare how long a program stands still at its end with its grace, and with a local store."""
    with setup.room() as folder, started() as server:
        server.tell(rate=RATE)
        names = count()

        def remote() -> float:
            name = f"store-{next(names)}"
            place = {
                "type": "s3",
                "root": server.url(name),
                "options": server.options,
                "spool": str(folder / name),
            }
            return _standstill(place, setup.mib)

        def local() -> float:
            return _standstill({"root": str(folder / f"local-{next(names)}")}, setup.mib)

        contenders = [Contender("slow link", remote, clock=True), Contender("local store", local, clock=True)]
        times = in_turn(contenders, setup.few)
    what = f"standstill at exit with {setup.mib} MiB pending over {RATE / 1e6:.0f} MB/s / a grace of {GRACE:.0f} s"
    slow = times["slow link"]
    if slow.error:
        yield failed(what, slow.error, 1.1)
        return
    yield ratio(what, slow, Times("grace", [GRACE]), 1.1)
    yield ratio(
        f"standstill at exit with {setup.mib} MiB saved to a local store / grace",
        times["local store"],
        Times("grace", [GRACE]),
        None,
    )


def ending(place: dict[str, object], mib: int) -> None:
    """Save, say that the work is done, and end."""
    from lattice_addons import Settings, StateManagerGroup

    settings = Settings(job_id="benchmark", grace=GRACE, linger=0, **place)  # type: ignore[arg-type]
    arrays = _state.make(mib)
    group = StateManagerGroup(settings)
    for name, array in _state.named(arrays).items():
        group.register(name)
        group.update(name, array)
    group.save()
    print(READY, flush=True)


def _standstill(place: Mapping[str, object], mib: int) -> float:
    """Give the seconds from a program's last line to its end."""
    with subprocess.Popen(
        command("_pending", "ending", place, mib),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=plain_environ(),
        text=True,
    ) as child:
        try:
            line = child.stdout.readline() if child.stdout else ""
            begun = time.perf_counter()
            if line.strip() != READY or child.wait(GRACE * 10):
                raise RuntimeError(f"the program ended with status {child.poll()} after {line!r}")
            return time.perf_counter() - begun
        finally:
            child.kill()
