"""Whatever the network does, nothing committed is lost, and no save waits for it."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from lattice_addons.storage import upload
from tests.faults.uploading import FOLDER, Remote, eventually, newest
from tests.program import finish, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.servers import Bucket

# Each line that comes in is a save; at the end of input the program ends.
SAVES = "for line in sys.stdin:\n    save()"


def ask(process: Any, line: str = "saved") -> None:
    """Have the program make a save, and wait for it."""
    process.stdin.write("\n")
    process.stdin.flush()
    wait_for(process, line)


def test_no_save_touches_the_network(tmp_path: Path, s3: Bucket) -> None:
    """After the start, to use the remote store from the program is an error here; with it gone, saves are made."""
    forbid = """
def forbidden(*_):
    raise AssertionError("the program used the network")
import lattice_addons.storage.remote._remote as remote
remote.RemoteStore._files = property(forbidden)
import socket
socket.socket.connect = forbidden
"""
    remote = Remote(tmp_path, s3, forbid + SAVES, "grace=1", "keep=2")
    process = remote.start()
    wait_for(process, "begun")
    ask(process)
    s3.proxy.stop()
    for _ in range(6):
        ask(process)
    ended = finish(process)
    assert ended.returncode == 0
    assert "the save" not in ended.stderr
    assert "AssertionError" not in ended.stderr
    assert newest(remote.spool.here(FOLDER)) >= 7
    assert len([key for key in remote.spool.here(FOLDER) if "/checkpoints/" in key]) == 2, "retention goes on"


def break_it(bucket: Bucket, how: str) -> None:
    """Do to the network what the name says."""
    proxy = bucket.proxy
    if how == "stopped":
        proxy.stop()
    elif how == "black hole":
        proxy.black_hole()
    elif how == "slow":
        proxy.latency, proxy.bytes_per_second = 0.2, 50_000
    elif how == "cut in mid-upload":
        proxy.cut(1000, "put", times=3)
    elif how == "lost answers":
        proxy.lose("put", times=2)
    elif how == "reset":
        proxy.reset("put", times=3)
    else:
        proxy.fail(int(how), times=None if how == "403" else 4)


LASTING = ["stopped", "black hole", "slow", "403"]


@pytest.mark.parametrize("how", [*LASTING, "cut in mid-upload", "lost answers", "reset", "500", "503"])
def test_nothing_committed_is_lost(tmp_path: Path, s3: Bucket, how: str) -> None:
    """Saves go on while the network is broken; what was saved is there when it is mended, by itself or by hand."""
    # What goes on until it is mended is not waited for long.
    times = ("grace=1", "linger=0.3") if how in LASTING else ("grace=2", "linger=1")
    remote = Remote(tmp_path, s3, "value['x'] = os.urandom(4000).hex()\n" + SAVES, *times)
    process = remote.start()
    wait_for(process, "begun")
    ask(process)
    break_it(s3, how)
    for _ in range(3):
        ask(process)
    ended = finish(process)
    assert ended.returncode == 0
    assert "the save" not in ended.stderr
    left = "lattice upload" in ended.stderr
    if left:
        assert len(ended.stderr.splitlines()) <= 2, "one line of progress, one of what is left"
    else:
        assert remote.is_up()
    s3.proxy.heal()
    s3.proxy.latency, s3.proxy.bytes_per_second = 0, None
    spool = remote.spool
    # Also where all is up by itself: when the last of it is there, the uploader has still to write that down.
    eventually(lambda: not remote.uploader())
    if left:
        assert not upload(spool, s3.root, s3.options, lambda *_: None)
    assert remote.is_up()
    assert spool.trouble(FOLDER) is None
    assert newest(s3.keys()) >= 4
    # The record of what is there says no more than is.
    gone = {key for keys in spool.gone(FOLDER).values() for key in keys}
    assert spool.uploaded(FOLDER).keys() - set(s3.keys()) <= gone


def test_gone_when_a_signal_comes(tmp_path: Path, s3: Bucket) -> None:
    """The save at the signal is made, the status is the signal's, and what is left is said."""
    remote = Remote(tmp_path, s3, SAVES, "grace=1.5", "linger=0.2")
    process = remote.start()
    wait_for(process, "begun")
    ask(process)
    before = newest(remote.spool.here(FOLDER))
    s3.proxy.stop()
    process.send_signal(signal.SIGTERM)
    ended = finish(process)
    assert ended.returncode == -signal.SIGTERM
    assert newest(remote.spool.here(FOLDER)) == before + 1
    assert "`lattice upload --spool" in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr


def test_troubles_are_written_down_with_their_beginning(tmp_path: Path, s3: Bucket) -> None:
    """Who looks finds the error and since when; when all is well again it is gone, and the log is small."""
    remote = Remote(tmp_path, s3, SAVES, "grace=1", "linger=0.2")
    process = remote.start()
    wait_for(process, "begun")
    ask(process)
    eventually(remote.is_up)
    s3.proxy.fail(403)
    ask(process)
    eventually(lambda: remote.spool.trouble(FOLDER))
    first = remote.spool.trouble(FOLDER)
    assert first is not None
    eventually(lambda: (remote.spool.trouble(FOLDER) or {}).get("times", 0) > 1)
    second = remote.spool.trouble(FOLDER)
    assert second is not None
    assert (second["kind"], second["since"]) == ("NoAccessError", first["since"])
    s3.proxy.heal()
    eventually(lambda: remote.spool.trouble(FOLDER) is None)
    assert remote.is_up()
    finish(process)
    assert os.path.getsize(os.path.join(remote.spool.home, "uploader.log")) < 10_000


def test_the_limit_of_the_spool_is_kept(tmp_path: Path, s3: Bucket) -> None:
    """What is up goes first; what is not up stays, and the program reads on what is only there."""
    pytest.importorskip("numpy")
    before = "import numpy"
    body = (
        "def save():\n    value['n'] += 1\n    n = value['n']\n"
        "    value[str(n)] = numpy.random.default_rng(n).bytes(300_000)\n"
        "    group.save(); print('saved', flush=True)\n" + SAVES
    )
    remote = Remote(tmp_path, s3, body, f"spool_limit={1 << 20}", "keep=1", "grace=60", before=before)
    process = remote.start()
    wait_for(process, "begun")
    for _ in range(6):
        ask(process)
        eventually(remote.is_up)
    eventually(lambda: taken(remote.spool.home) <= 1 << 20)
    s3.proxy.black_hole()
    for _ in range(3):
        ask(process)
    s3.proxy.heal()
    assert finish(process).returncode == 0
    assert remote.is_up()
    check = (
        "ok = all(value[str(n)] == numpy.random.default_rng(n).bytes(300_000) for n in range(1, value['n'] + 1))\n"
        "print('whole' if ok and value['n'] == 9 else value['n'])"
    )
    again = Remote(tmp_path, s3, check, f"spool_limit={1 << 20}", before=before)
    assert "whole" in again.run().stdout


def taken(home: str) -> int:
    """Give the bytes of a spool's files, of which some may go meanwhile; of folders that go `rglob` would raise."""
    taken = 0
    for folder, _, names in os.walk(home):
        for name in names:
            with suppress(FileNotFoundError):
                taken += os.path.getsize(os.path.join(folder, name))
    return taken
