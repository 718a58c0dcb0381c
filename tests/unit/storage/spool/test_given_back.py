"""A claim that nobody here needs any more is given back, whatever happens in that very moment."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from lattice_addons._owner import Owner
from lattice_addons.storage import RemoteStore, Spool
from lattice_addons.storage.spool._attend import hold, part_from, stand_in
from lattice_addons.storage.spool._claim import take
from lattice_addons.storage.spool._holding import Holding
from tests.program import Program

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = "job/rank-00000/"
# The last program is dead after the uploader has looked for claims of dead ones, and before its turn is over.
DIES_IN_THE_TURN = """
import os, signal
from lattice_addons._owner import Owner
from lattice_addons.storage import RemoteStore, Spool
from lattice_addons.storage.spool import _uploader
from lattice_addons.storage.spool._claim import take
from lattice_addons.storage.spool._process import open_poke

url, folder = "file://" + os.path.abspath("store"), "job/rank-00000/"
spool, remote = Spool("spool", url), RemoteStore(url)
read, write = os.pipe()
program = os.fork()
if not program:
    spool.set_claim(folder, take(remote, folder, [], Owner.current(), place=spool.place)[0])
    os.write(write, b"taken")
    signal.pause()
os.read(read, 5)
assert remote.listing(f"{folder}claims/")
os.close(open_poke(spool.home))

def keep_room(*_):
    global program
    if program:
        os.kill(program, signal.SIGKILL)
        os.waitpid(program, 0)
        program = 0

_uploader.keep_room = keep_room
os.dup2(os.open("log", os.O_WRONLY | os.O_CREAT), 2)
loop = _uploader._Loop(spool, remote, {"limit": 1 << 40, "linger": "forever"})
loop._watch.alone.wait()
loop.run()
print("left", *remote.listing(f"{folder}claims/"), flush=True)
os._exit(0)
"""


def test_a_program_that_dies_within_the_last_turn(tmp_path: Path) -> None:
    """Another turn is taken for it; else its claim would stay until it expires."""
    assert Program(tmp_path, DIES_IN_THE_TURN).run().stdout == "left\n"


def test_while_it_is_renewed(tmp_path: Path) -> None:
    """It is given back after that: a renewal that was on its way would have put it there once more."""
    renewing, deleted = threading.Event(), threading.Event()

    class Slow(RemoteStore):
        def replace(self, key: str, data: bytes | bytearray | memoryview) -> None:
            renewing.set()
            deleted.wait(0.5)
            super().replace(key, data)

        def delete(self, keys: object) -> None:
            super().delete(keys)  # type: ignore[arg-type]  # as it was asked
            deleted.set()

    remote = Slow(f"file://{tmp_path / 'store'}")
    spool = Spool(str(tmp_path / "spool"), remote.url)
    claim, _ = take(remote, FOLDER, [], Owner.current(), place=spool.place)
    spool.set_claim(FOLDER, claim | {"left": True})
    holding = Holding(spool, remote)
    beating = threading.Thread(target=holding.renew)
    beating.start()
    assert renewing.wait(60)
    holding.give_back(FOLDER)
    beating.join()
    assert deleted.is_set()
    assert spool.claim(FOLDER) is None
    assert not remote.listing(f"{FOLDER}claims/")


def test_a_program_that_ends_while_a_claim_is_taken_for_it(tmp_path: Path) -> None:
    """What it has left is sent with that claim, and not without any; then it goes."""

    class Ends(RemoteStore):
        def put(self, key: str, data: bytes | bytearray | memoryview) -> None:
            super().put(key, data)
            part_from(spool, FOLDER)

    remote = Ends(f"file://{tmp_path / 'store'}")
    spool = Spool(str(tmp_path / "spool"), remote.url)
    stand_in(spool, FOLDER)
    assert hold(spool, remote, FOLDER) is None
    assert len(remote.listing(f"{FOLDER}claims/")) == 1
    Holding(spool, remote).give_back(FOLDER)
    assert spool.claim(FOLDER) is None
    assert not remote.listing(f"{FOLDER}claims/")
