"""How fast a file goes into an S3 store, beside s3fs with the same bytes."""

from __future__ import annotations

import os
from itertools import count
from typing import TYPE_CHECKING

from benchmarks._measure import Contender, in_turn, ratio
from benchmarks._row import Row, failed
from benchmarks._servers import BUCKET, moto, started

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks._servers import Server
    from benchmarks._setup import Setup

__all__ = ["uploads"]

LATENCY = 0.05
MIB = 1024 * 1024


def uploads(setup: Setup) -> Iterator[Row]:
    """Compare sending a file with s3fs putting the same bytes in one call."""
    with setup.room() as folder:
        path = folder / "pack"
        with path.open("wb") as file:
            for _ in range(max(setup.mib // 4, 1)):
                file.write(os.urandom(4 * MIB))
        with started() as server:
            yield from _compared(setup, server, path, "", 1.1)
            server.tell(latency=LATENCY)
            yield from _compared(setup, server, path, f", {LATENCY * 1000:.0f} ms away", 1.1)
        try:
            os.truncate(
                path, max(setup.mib // 4, 1) * MIB
            )  # it is slow, and takes memory for all of it, twice
            with moto() as server:
                yield from _compared(setup, server, path, ", to moto", None)
        except (OSError, RuntimeError) as error:
            yield failed("upload of a pack / s3fs, to moto", error)


def _compared(setup: Setup, server: Server, path: Path, where: str, target: float | None) -> Iterator[Row]:
    import fsspec

    from lattice_addons.storage.remote import RemoteStore

    remote = RemoteStore(server.url("ours"), server.options)
    peer = fsspec.filesystem("s3", **server.options, skip_instance_cache=True)
    names = count()

    def empty() -> None:
        if target is not None:
            server.tell(empty=1)

    times = in_turn(
        [
            Contender("send", lambda: remote.send(f"{next(names)}.pack", str(path)), before=empty),
            Contender("s3fs put_file", lambda: peer.put_file(str(path), f"{BUCKET}/put"), before=empty),
            Contender(
                "s3fs pipe_file", lambda: peer.pipe_file(f"{BUCKET}/pipe", path.read_bytes()), before=empty
            ),
            # Signed by nobody: only our own server takes it.
            Contender(
                "one plain PUT",
                lambda: server.ask("PUT", f"/{BUCKET}/plain", path.read_bytes()),
                before=empty,
            ),
        ][: None if target is not None else 3],
        setup.few,
    )
    size = path.stat().st_size // MIB
    for peers, bound in (("s3fs put_file", target), ("s3fs pipe_file", target), ("one plain PUT", None)):
        if peers in times:
            yield ratio(f"upload of {size} MiB{where} / {peers}", times["send"], times[peers], bound)
    if times["send"].seconds:
        yield Row(f"upload of {size} MiB{where}, a second", size / times["send"].median, None, unit="MiB")
