"""How fast ``lattice serve`` gives and takes objects, beside uvicorn with the same bytes as plain files."""

from __future__ import annotations

import http.client
import os
import re
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

from benchmarks._apart import command, plain_environ
from benchmarks._measure import Contender, in_turn, ratio
from benchmarks._row import Row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import TypeAlias

    from benchmarks._setup import Setup

    Place: TypeAlias = "tuple[Server, str, str]"

__all__ = ["service"]

MIB = 1024 * 1024
PROGRAMS = 200
TARGET = 1.5
# What the service may take for 200 requests at once: 32 MiB of what is on its way, and a thread or a connection each.
_MEMORY = 256.0
_PIECE = MIB
_SMALL = 200
_JOB = "/v1/jobs/job/objects/rank-00000/packs"


class Server:
    """A server on this machine, in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process, self.port = process, port
        self._connection: http.client.HTTPConnection | None = None

    def get(self, path: str) -> int:
        """Read an object, on a connection that stays; give its size."""
        answer = self._asked("GET", path)
        room = memoryview(bytearray(_PIECE))
        size = 0
        while done := answer.readinto(room):
            size += done
        return size

    def put(self, path: str, body: Path, digest: str) -> None:
        """Store a file."""
        headers = {"Lattice-Digest": f"blake3={digest}", "Content-Length": str(body.stat().st_size)}
        with body.open("rb") as file:
            self._asked("PUT", path, file, headers).read()

    def resident(self, which: str) -> float:
        """Give its memory, now (``VmRSS``) or at most so far (``VmHWM``), in MiB."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            found = re.search(rf"{which}:\s+(\d+) kB", file.read())
        return int(found[1]) / 1024 if found else 0.0

    def _asked(
        self, method: str, path: str, body: object = None, headers: object = None
    ) -> http.client.HTTPResponse:
        if self._connection is None:
            self._connection = http.client.HTTPConnection(
                "127.0.0.1", self.port, timeout=120, blocksize=_PIECE
            )
        self._connection.request(method, path, body, headers or {})  # type: ignore[arg-type]
        answer = self._connection.getresponse()
        if answer.status >= http.client.MULTIPLE_CHOICES:
            raise RuntimeError(f"{method} {path}: {answer.status} {answer.read(500)!r}")
        return answer


def service(setup: Setup) -> Iterator[Row]:
    """Compare a service with plain files, and 200 programs at once with one after another."""
    with setup.room() as folder, ExitStack() as opened:
        large = _file(folder / "large", max(setup.mib // 4, 1) * MIB)
        small = _file(folder / "small", 64 * 1024)
        plain = folder / "plain"
        plain.mkdir()
        serve = ("-m", "lattice_addons.cli", "serve", "--port", "0", "--root", str(folder / "store"))
        ours = opened.enter_context(_started(*serve))
        theirs = opened.enter_context(_started(*command("_plain_files", "plain_files", str(plain))[1:]))
        places = ((ours, "lattice serve", _JOB), (theirs, "plain files", "/files"))
        yield from _compared(setup, places, large, 1)
        yield from _compared(setup, places, small, _SMALL)
        yield from _many(setup, ours, folder)


def _compared(setup: Setup, places: Sequence[Place], path: Path, times: int) -> Iterator[Row]:
    digest, names, size = _digest(path), count(), path.stat().st_size
    shown = f"{size // MIB} MiB" if size >= MIB else f"{times} of {size // 1024} KiB"

    def put(server: Server, place: str) -> None:
        for _ in range(times):
            server.put(f"{place}/{path.name}-{next(names):06d}.pack", path, digest)

    def get(server: Server, place: str) -> None:
        for _ in range(times):
            if server.get(f"{place}/{path.name}") != size:
                raise RuntimeError("not all of it came")

    for server, _, place in places:
        server.put(f"{place}/{path.name}", path, digest)
    for what, do in (("GET", get), ("PUT", put)):
        contenders = [Contender(name, partial(do, server, place)) for server, name, place in places]
        times_of = in_turn(contenders, setup.few)
        ours, theirs = (times_of[name] for _, name, _ in places)
        yield ratio(f"{what} of {shown} / uvicorn with plain files", ours, theirs, TARGET)


class Programs:
    """200 programs that save: each a pack of 1 MiB, and then a manifest."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.waits: list[float] = []
        self._server = server
        self._files = [_file(folder / "pack", MIB), _file(folder / "manifest", 4096)]
        self._digests = [_digest(path) for path in self._files]
        self._numbers = count(1)

    def one_by_one(self) -> None:
        """Save one after another."""
        number = next(self._numbers)
        for program in range(PROGRAMS):
            self._save(number, program)

    def at_once(self) -> None:
        """Save all at the same time."""
        number, begun = next(self._numbers), time.perf_counter()
        self.waits.clear()

        def program(which: int) -> None:
            self._save(number, which)
            self.waits.append(time.perf_counter() - begun)

        threads = [threading.Thread(target=program, args=(each,)) for each in range(PROGRAMS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if len(self.waits) != PROGRAMS:
            raise RuntimeError(f"only {len(self.waits)} of {PROGRAMS} saves came through")

    def _save(self, number: int, program: int) -> None:
        own = Server(self._server.process, self._server.port)
        keys = f"packs/{number:026d}.pack", f"checkpoints/{number:012d}.json"
        for key, path, digest in zip(keys, self._files, self._digests, strict=True):
            own.put(f"/v1/jobs/p{program}/objects/rank-00000/{key}", path, digest)


def _many(setup: Setup, server: Server, folder: Path) -> Iterator[Row]:
    before = server.resident("VmHWM")
    programs = Programs(server, folder)
    first, second = "at once", "one after another"
    contenders = [Contender(first, programs.at_once), Contender(second, programs.one_by_one)]
    times = in_turn(contenders, setup.few)
    row = ratio(f"{PROGRAMS} programs save at once / one after another", times[first], times[second], TARGET)
    waits = sorted(programs.waits) or [0.0]
    waited = f"of the last time, the first was done after {waits[0]:.2f} s, the last after {waits[-1]:.2f} s"
    yield replace(row, details=f"{row.details}; {waited}")
    told = f"before that {before:.0f} MiB, with objects of {max(setup.mib // 4, 1)} MiB"
    title = f"memory of the service, at most, with {PROGRAMS} programs at once"
    yield Row(title, server.resident("VmHWM"), _MEMORY, "MiB", told)


@contextmanager
def _started(*arguments: str) -> Iterator[Server]:
    with subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=plain_environ(),
        text=True,
    ) as child:
        try:
            line = child.stdout.readline() if child.stdout else ""
            found = re.search(r"://[^ ]*:(\d+)", line)
            if found is None:
                raise RuntimeError(f"the server did not start: it said {line!r}")
            yield Server(child, int(found[1]))
        finally:
            child.kill()


def _file(path: Path, size: int) -> Path:
    with path.open("wb") as file:
        for at in range(0, size, MIB):
            file.write(os.urandom(min(MIB, size - at)))
    return path


def _digest(path: Path) -> str:
    from blake3 import blake3

    return blake3().update_mmap(path).hexdigest()
