"""Machines of a test: each has a spool of its own, and the same remote store, a folder that fsspec opens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lattice_addons.checkpoint import Fresh, Line
from lattice_addons.encoding import encode
from lattice_addons.settings import Settings
from lattice_addons.storage import RemoteStore, Spool, SpooledStore
from lattice_addons.storage.spool._turn import turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from lattice_addons.checkpoint import Checkpoint
    from lattice_addons.storage.remote import Listed

FOLDER = "job/rank-00000/"


class Watched(RemoteStore):
    """A remote store that writes down what it is asked for."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.asked: list[str] = []

    def listing(self, prefix: str = "") -> dict[str, Listed]:
        """List."""
        self.asked.append(f"list {prefix}")
        return super().listing(prefix)

    def fetch(self, ranges: Iterable[tuple[str, int, int]], *, passing: bool = False) -> list[bytes]:
        """Read ranges."""
        ranges = list(ranges)
        self.asked += [f"get {key} {start}-{stop}" for key, start, stop in ranges]
        return list(super().fetch(ranges, passing=passing))

    def read(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """Read."""
        self.asked.append(f"get {key}")
        return super().read(key, start, stop)


class Idle:
    """An uploader that is never due: the test says when something is sent."""

    def ensure(self, folder: str = "") -> None:
        """Start nothing."""

    def poke(self) -> None:
        """Tell nobody."""

    def close(self) -> None:
        """End nothing."""

    def settle(self, folder: str, seconds: float, tell: Callable[[str], None]) -> str | None:
        """Wait for nothing."""
        del folder, seconds, tell
        return None


class Machine:
    """One machine: a spool and a line of checkpoints."""

    def __init__(self, top: Path, name: str, *, offline: bool = False) -> None:
        self.top = top
        url = f"file://{top}/remote"
        (top / "remote").mkdir(exist_ok=True)
        self.spool = Spool(str(top / name), url)
        self.remote = Watched(url)
        self.store = SpooledStore(self.spool, self.remote, Idle(), offline=offline)  # type: ignore[arg-type]
        self.line = Line(self.store, "job", 0, settings=Settings(keep=3))

    def save(self, value: object) -> Checkpoint:
        """Commit a checkpoint with one slot."""
        return self.line.commit({"x": Fresh("reference", encode(value))}, parent=None, reason="manual")

    def value(self) -> Any:
        """Give what the newest checkpoint has."""
        newest = self.line.newest()
        assert newest is not None
        entry = newest.slots["x"]
        value, buffers = self.line.read(entry)
        from lattice_addons.encoding import decode

        return decode(entry.encoding, value, buffers, trust="pickle", type=entry.type)

    def send(self) -> str | None:
        """Do what the uploader does; say what is against it."""
        turn(self.spool, self.remote)
        trouble = self.spool.trouble(FOLDER)
        return trouble["error"] if trouble is not None else None

    def end(self) -> None:
        """Write no more, and send what was not."""
        self.line.release()
        assert self.send() is None

    def vanish(self) -> None:
        """Be switched off for a long time: what was not sent is not, and another may have taken the claim."""
        self.line.release()
        claim = self.spool.claim(FOLDER)
        assert claim is not None
        self.spool.set_claim(FOLDER, claim | {"renewed": 0})
        self.remote.delete(self.remote.list(f"{FOLDER}claims/"))


def restart(top: Path, name: str, *, offline: bool = False) -> Machine:
    """Start a program on a machine."""
    machine = Machine(top, name, offline=offline)
    machine.line.acquire()
    return machine


def part(top: Path) -> tuple[Machine, Machine]:
    """Give one that vanished with a checkpoint that was not sent, and another that went on from the one before."""
    a = restart(top, "a")
    a.save("one")
    a.send()
    a.save("mine")
    a.vanish()
    b = restart(top, "b")
    b.save("theirs")
    return a, b


def flip(path: Path) -> None:
    """Damage a file in its middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
