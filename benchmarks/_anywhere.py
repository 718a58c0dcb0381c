"""A job whose store is elsewhere: what it asks of the network, and how soon it goes on on another machine."""

from __future__ import annotations

import time
from itertools import count
from typing import TYPE_CHECKING

import numpy as np

from benchmarks import _state
from benchmarks._apart import apart
from benchmarks._measure import Contender, in_turn, ratio
from benchmarks._restores import warm_up
from benchmarks._row import Row, failed
from benchmarks._servers import started

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks._servers import Server
    from benchmarks._setup import Setup
    from lattice_addons import StateManagerGroup

__all__ = ["fetching", "requests", "restarts", "saving", "saving_often"]

#: The link of the restarts: a gigabit, and a store in another country.
LATENCY, RATE = 0.05, 125_000_000
LINK = "50 ms away, 1 Gbit/s"
#: Of so many checkpoints the requests are counted, of a state of so many MiB.
CHECKPOINTS, SMALL = 10, 64
PATIENCE = 300

Place = dict[str, object]


def restarts(setup: Setup) -> Iterator[Row]:
    """Compare the time to the first slot after a restart from a remote store with that of fetching everything."""
    with setup.room() as folder, started() as server:
        spools = (str(folder / f"spool-{number}") for number in count())
        apart("_anywhere", "saving", _place(server, next(spools)), setup.mib)
        server.tell(latency=LATENCY, rate=RATE)
        counts: list[dict[str, int]] = []

        def fetch(all_of_it: bool) -> float:  # noqa: FBT001 - as it is given to the other process
            server.tell(forget=1)
            took = apart("_anywhere", "fetching", _place(server, next(spools)), setup.mib, all_of_it)
            if not all_of_it:
                counts.append({kind: int(took[kind]) for kind in ("get", "list", "head", "put", "delete")})
            return float(took["seconds"])

        times = in_turn(
            [
                Contender("first slot", lambda: fetch(False), clock=True),  # noqa: FBT003 - as above
                Contender("whole checkpoint", lambda: fetch(True), clock=True),  # noqa: FBT003 - as above
            ],
            setup.few,
        )
    size = f"a checkpoint of {setup.mib} MiB, {LINK}"
    yield ratio(
        f"first slot of {size} / fetching all of it", times["first slot"], times["whole checkpoint"], 0.25
    )
    if counts:
        shown = ", ".join(f"{number} × {kind}" for kind, number in counts[-1].items() if number)
        yield Row(
            "requests until the first slot after a restart",
            sum(counts[-1].values()),
            8,
            unit="",
            details=shown,
        )


def requests(setup: Setup) -> Iterator[Row]:
    """Count the requests that checkpoints make."""
    what = "requests per checkpoint, old ones being deleted"
    with setup.room() as folder, started() as server:
        try:
            told = apart("_anywhere", "saving_often", _place(server, str(folder / "spool")))
        except RuntimeError as error:
            yield failed(what, error, 4)
            return
    shown = ", ".join(f"{number} × {kind}" for kind, number in told.items())
    yield Row(
        what, sum(told.values()) / CHECKPOINTS, 4, unit="", details=f"{CHECKPOINTS} checkpoints: {shown}"
    )


def opened(place: Place, **more: object) -> StateManagerGroup:
    """Open a job in the store at this place."""
    given = {name: place[name] for name in ("options", "spool")}
    return _state.opened(str(place["root"]), type="s3", **given, **more)  # type: ignore[arg-type]


def saving(place: Place, mib: int) -> bool:
    """Save arrays, and see that they are in the remote store."""
    arrays = _state.make(mib)
    group = opened(place, grace=PATIENCE)
    for name, array in _state.named(arrays).items():
        group.register(name)
        group.update(name, array)
    group.save()
    _settle(group)
    group.close()
    return True


def fetching(place: Place, mib: int, all_of_it: bool) -> dict[str, float]:  # noqa: FBT001 - given on a command line
    """Open a job in a spool that is empty, and get one slot, or every slot; give the seconds and the requests."""
    from benchmarks._servers import Server

    server = Server(int(place["port"]))  # type: ignore[call-overload]
    warm_up()
    import fsspec

    fsspec.get_filesystem_class("s3")  # its import takes longer than the rest
    names = [f"array-{number:04}" for number in range(max(mib // 4, 1))]
    targets = {name: np.zeros(_state.PIECE // 4, np.float32) for name in names if all_of_it}
    begun = time.perf_counter()
    group = opened(place)
    for name in names:
        group.register(name)
    if all_of_it:
        group.restore(into=targets)
    elif group.get(names[len(names) // 2]).nbytes != _state.PIECE:
        raise RuntimeError("the slot did not come back")
    took = time.perf_counter() - begun
    counts = server.tell()
    group.close()
    return {"seconds": took} | dict.fromkeys(("get", "list", "head", "put", "delete"), 0) | counts


def saving_often(place: Place) -> dict[str, int]:
    """Save again and again, each time when the one before is in the remote store; give the requests."""
    from benchmarks._servers import Server

    server = Server(int(place["port"]))  # type: ignore[call-overload]
    arrays = _state.make(SMALL)
    group = opened(place, keep=3, grace=PATIENCE)
    for name, array in _state.named(arrays).items():
        group.register(name)
        group.update(name, array)
    counts: dict[str, int] = {}
    for number in range(CHECKPOINTS + 5):  # with the first ones nothing is deleted yet
        if number == 5:
            server.tell(forget=1)
        np.add(arrays[number % 3], np.float32(1), out=arrays[number % 3])
        group.save()
        _settle(group)
    counts = server.tell()
    group.close()
    return counts


def _settle(group: StateManagerGroup) -> None:
    left = group._session.settle(PATIENCE, print)  # noqa: SLF001 - what is done at exit
    if left is not None:
        raise RuntimeError(left)


def _place(server: Server, spool: str) -> Place:
    return {"root": server.url("store"), "options": server.options, "spool": spool, "port": server.port}
