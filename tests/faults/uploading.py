"""Programs with a remote store, and what can be seen of their uploaders."""

from __future__ import annotations

import fcntl
import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lattice_addons._owner import Owner
from lattice_addons.storage import RemoteStore, Spool
from lattice_addons.storage.spool._process import lock, open_poke, start
from lattice_addons.storage.spool._spool import stamp
from lattice_addons.storage.spool._turn import turn
from tests.program import Program

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.servers import Bucket

FOLDER = "program/rank-00000/"
SOURCE = """\
import os, signal, sys, time
{before}
from lattice_addons import StateManagerGroup
group = StateManagerGroup()
group.register("value")
value = group.get("value") or {{"n": 0}}
group.update("value", value)
print("begun", flush=True)
def save():
    value["n"] += 1
    group.save()
    print("saved", flush=True)
{body}
"""


def eventually(is_so: Callable[[], object], seconds: float = 180) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.02)


class Remote:
    """A program in a folder whose store is a bucket."""

    def __init__(self, folder: Path, bucket: Bucket, body: str, *settings: str, before: str = "") -> None:
        self.bucket = bucket
        self.state = folder / "state"
        self.program = Program(folder, SOURCE.format(body=body, before=before))
        config = bucket.config(f"spool={self.state}", *settings)
        self.environ = bucket.environ | {"LATTICE_CHECKPOINT_CONFIG": config}

    def start(self, *args: str, **more: Any) -> Any:
        """Start the program."""
        return self.program.start(*args, environ=self.environ, **more)

    def run(self, *args: str, **more: Any) -> Any:
        """Run the program to its end."""
        return self.program.run(*args, environ=self.environ, **more)

    @property
    def spool(self) -> Spool:
        """Give its spool."""
        (home,) = self.state.iterdir()
        return Spool.at(str(home))[0]

    def uploader(self) -> int:
        """Give the process number of the uploader that runs; 0 when there is none."""
        return uploader_of(self.spool)

    def is_up(self) -> bool:
        """Say whether the newest checkpoint of the spool is in the bucket."""
        return newest(self.spool.here(FOLDER)) == newest(self.bucket.keys()) != 0


def uploader_of(spool: Spool) -> int:
    """Give the process number of a spool's uploader; 0 when there is none."""
    try:
        with open(os.path.join(spool.home, "uploader.lock"), "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return 0
    except BlockingIOError:
        with suppress(OSError, ValueError, KeyError):
            told = json.loads(Path(spool.home, "uploader.json").read_bytes())
            # One that was killed leaves it to the next.
            return int(told["pid"]) if Owner.from_dict(told).alive() else 0
    return 0


def newest(keys: list[str]) -> int:
    """Give the largest number of a checkpoint among keys; 0 when there is none."""
    numbers = [key.rpartition("/")[2].removesuffix(".json") for key in keys if "/checkpoints/" in key]
    return max(map(int, numbers), default=0)


class Filled:
    """A spool that is filled by hand: each checkpoint is a manifest that names its packs."""

    def __init__(self, folder: Path, bucket: Bucket) -> None:
        self.bucket = bucket
        self.spool = Spool(str(folder / "spools"), bucket.root, bucket.options)
        self._pipe = -1
        self.told = {
            "url": bucket.root,
            "shown": self.spool.url,
            "options": bucket.options,
            "grace": 25,
            "linger": 60,
            "limit": 1 << 40,
        }

    def commit(self, number: int, *packs: bytes) -> None:
        """Write a checkpoint as a program does: packs first."""
        names = [f"{FOLDER}packs/{number:025d}{at}.pack" for at in range(len(packs))]
        for name, data in zip(names, packs, strict=True):
            self.spool.store.put(name, data)
        text = json.dumps({"packs": names}).encode()
        self.spool.store.put(f"{FOLDER}checkpoints/{number:012d}.json", text)

    def drop(self, number: int) -> None:
        """Delete a checkpoint as a program does: first it is written down, manifests before packs."""
        manifest = f"{FOLDER}checkpoints/{number:012d}.json"
        packs = json.loads(self.spool.store.read(manifest))["packs"]
        for keys in ([manifest], packs):
            self.spool.add_gone(FOLDER, keys)
            self.spool.store.delete(keys)

    def begin(self) -> int:
        """Start an uploader, with this process as the program; give its process number."""
        if self._pipe < 0:
            self._pipe = open_poke(self.spool.home)
        start(self.spool.home, self.told)
        os.write(self._pipe, b"!")
        eventually(lambda: uploader_of(self.spool))
        return uploader_of(self.spool)

    def fork(self) -> int:
        """Have a child of this process do what an uploader does, without its start; give its process number."""
        child = os.fork()
        if child:
            return child
        try:
            if lock(self.spool.home, 60) is not None:
                turn(self.spool, RemoteStore(self.bucket.root, self.bucket.options))
        finally:
            os._exit(0)

    def end(self) -> None:
        """Be no program any more, and wait for the uploader's end."""
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1
        eventually(lambda: not uploader_of(self.spool))

    def settled(self) -> bool:
        """Say whether all is there, and nothing that is to go."""
        there = [key for key in self.bucket.keys("") if "/claims/" not in key]
        sent = self.spool.uploaded(FOLDER)
        written = all(sent.get(key) == stamp(self.spool.path(key)) for key in self.spool.here(FOLDER))
        return written and sorted(self.spool.here(FOLDER)) == there and not self.spool.gone(FOLDER)


def broken(bucket: Bucket) -> list[str]:
    """Give what is wrong in a bucket: packs that a manifest names and that are not there."""
    keys = set(bucket.keys())
    return [
        f"{key} has no {pack}"
        for key in sorted(keys)
        if "/checkpoints/" in key
        # One that is gone by now names none.
        for pack in json.loads(bucket.get(key) or b'{"packs": []}')["packs"]
        if pack not in keys
    ]
