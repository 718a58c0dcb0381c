"""A process that has everything imported forks saving programs: each is a fresh one, in a few milliseconds."""

from __future__ import annotations

import ctypes
import fcntl
import io
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from contextlib import redirect_stderr, redirect_stdout, suppress
from traceback import print_exc, walk_tb
from typing import TYPE_CHECKING, Any, NoReturn

from lattice_addons.cli import main
from lattice_addons.errors import LatticeError
from tests.faults.crash.keepers import GROUPS
from tests.faults.crash.repairing import Repairing
from tests.faults.crash.stand_ins import STAND_INS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.crash.keepers import Keeper

__all__ = ["Program", "serve"]

# EXT4_IOC_SHUTDOWN, XFS_IOC_GOINGDOWN; 2: without writing out the log.
_GOING_DOWN, _NO_LOG_FLUSH = 0x8004587D, 2

Answer = dict[str, Any]

KEEPERS: dict[str, Callable[[str], Keeper]] = {**GROUPS, **STAND_INS, "repairing": Repairing}


class Program:
    """One life of a saving program: it does what it is told over a socket, and says what came of it.

    Over a socket, because faults are put into write() and read(), and these are not to hit the talk itself.
    """

    def __init__(self, talk: socket.socket) -> None:
        self.talk = talk
        self.keeper: Keeper | None = None
        self.device = -1

    def live(self) -> None:
        """Obey until the other side hangs up."""
        while order := self.talk.recv(65536):
            signal.alarm(300)  # a program that nobody ends any more
            name, *given = json.loads(order)
            self.answer(**self.obey(name, given))
            signal.alarm(0)

    def answer(self, **facts: object) -> None:
        """Say what happened; a socket that keeps messages apart needs no framing."""
        with suppress(BrokenPipeError):
            self.talk.send(json.dumps(facts).encode())

    def obey(self, name: str, given: list[Any]) -> Answer:
        """Do one thing; an error is an answer, too."""
        try:
            return {"done": getattr(self, name)(*given)}
        except Exception as error:  # noqa: BLE001 - whatever it is, the test is told
            return {
                "error": type(error).__name__,
                "ours": isinstance(error, LatticeError),
                "text": str(error),
                # Not by extract_tb, which would read the sources, and get the next fault.
                "at": [
                    f"{os.path.basename(at.f_code.co_filename)}:{line}"
                    for at, line in walk_tb(error.__traceback__)
                ],
            }

    def open(self, keeper: str, folder: str) -> None:
        """Start keeping; a program does this first."""
        self.keeper = KEEPERS[keeper](folder)

    def opened(self) -> bool:
        """Say whether it could start keeping."""
        return self.keeper is not None

    def load(self) -> int | None:
        """Give what a restarted program finds."""
        assert self.keeper is not None
        return self.keeper.load()

    def save(self, number: int) -> int:
        """Keep a number."""
        assert self.keeper is not None
        self.keeper.save(number)
        return number

    def loop(self, number: int) -> NoReturn:
        """Keep one number after the other, and say so after each, until the end comes from outside."""
        while True:
            self.answer(**self.obey("save", [number]))
            number += 1

    def close(self) -> None:
        """Stop keeping."""
        assert self.keeper is not None
        self.keeper.close()

    def command(self, *arguments: str) -> int:
        """Run a command of ours, whose output nobody sees; give its status."""
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            return main([*arguments])

    def arm(self, call: int, mode: int) -> None:
        """Let the preloaded shim tear the write after so many."""
        ctypes.CDLL(None).tear_arm(call, mode)

    def torn(self) -> int:
        """Say how many writes to files there were since arming, at most as many as were waited for."""
        return int(ctypes.CDLL(None).tear_seen())

    def run(self, *command: str) -> None:
        """Run a command in this program's mount namespace."""
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=150)
        if done.returncode:
            raise OSError(" ".join(command) + ": " + done.stderr.strip())

    def attach(self, image: str) -> None:
        """Attach a disk image to a loop device, for as long as this program lives or has not detached it."""
        command = ["losetup", "--find", "--show", image]
        path = subprocess.run(command, capture_output=True, text=True, check=True, timeout=150).stdout.strip()
        self.device = os.open(path, os.O_RDONLY)
        # Whoever has it open, or mounted, has it still: it goes with the last of them.
        self.run("losetup", "--detach", path)

    def detach(self) -> None:
        """Let go of the loop device."""
        os.close(self.device)

    def mount(self, system: str, folder: str, options: str) -> None:
        """Mount the attached image."""
        path = os.readlink(f"/proc/self/fd/{self.device}")
        _call("mount", path, folder, system, 0, options)

    def unmount(self, folder: str) -> None:
        """Unmount a folder."""
        _call("umount2", folder, 0)

    def cut(self, folder: str) -> None:
        """Take the power from the file system of a folder."""
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, _GOING_DOWN, struct.pack("I", _NO_LOG_FLUSH))
        finally:
            os.close(descriptor)

    def copy(self, source: str, target: str) -> None:
        """Copy a disk image as it is at this instant, without its holes."""
        size = os.stat(source).st_size
        reader, writer = os.open(source, os.O_RDONLY), os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.ftruncate(writer, size)
        end = 0
        with suppress(OSError):  # ENXIO: no data up to the end
            while True:
                start = os.lseek(reader, end, os.SEEK_DATA)
                end = os.lseek(reader, start, os.SEEK_HOLE)
                while start < end:
                    start += os.pwrite(writer, os.pread(reader, min(end - start, 1 << 20), start), start)
        os.close(reader)
        os.close(writer)

    def copy_folder(self, source: str, target: str) -> None:
        """Copy a folder with all that is in it, durably."""
        shutil.copytree(source, target)
        descriptor = os.open(target, os.O_RDONLY)
        try:
            _call("syncfs", descriptor)
        finally:
            os.close(descriptor)

    def fill(self, path: str, leave: int) -> None:
        """Fill a file system to the brim by one file, and then give so many bytes back."""
        with open(path, "wb", buffering=0) as file:
            # Twice: what was deleted before is free only when the log has been written.
            for size in (1 << 20, 1 << 12, 1 << 20, 1 << 12):
                with suppress(OSError):
                    while True:
                        file.write(bytes(size))
                os.fsync(file)
            file.truncate(max(0, file.tell() - leave))
            os.fsync(file)

    def crowd(self, folder: str, leave: int) -> int:
        """Use up a file system's inodes but for so many."""
        made: list[str] = []
        with suppress(OSError):
            os.makedirs(folder)
            while len(made) < 100_000:
                path = os.path.join(folder, str(len(made)))
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
                made.append(path)
        for path in made[len(made) - leave :]:
            os.unlink(path)
        return len(made) - leave

    def remove(self, path: str) -> None:
        """Remove a file or a folder with all that is in it."""
        if os.path.isdir(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)

    def make(self, folder: str) -> None:
        """Make a folder, durably."""
        os.mkdir(folder)
        parent = os.open(os.path.dirname(folder), os.O_RDONLY)
        os.fsync(parent)
        os.close(parent)


def _call(name: str, *given: str | int) -> None:
    """Make a system call that Python has no function for."""
    encoded = [os.fsencode(each) if isinstance(each, str) else each for each in given]
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*encoded):
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")


def _warm() -> None:
    """Import everything that a save imports, by making some."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - a folder of our own in it
    for keeper in KEEPERS:
        with tempfile.TemporaryDirectory(dir=memory) as folder:
            # So many that old ones are deleted; with one there is nothing to load.
            for number in range(5 if keeper == "group" else 2):
                program = Program(socket.socket())
                program.obey("open", [keeper, folder])
                program.obey("load", [])
                program.obey("save", [number])
                program.obey("close", [])
            if keeper == "group":
                copy, user = os.path.join(folder, "x.tar"), Program(socket.socket())
                user.obey("command", ["export", "job", copy, "--root", os.path.join(folder, "store")])
                user.obey("command", ["import", copy, "--root", os.path.join(folder, "other")])


def serve(talk: socket.socket) -> None:
    """Fork a program for each socket that comes; give its pid, and its wait status when it is asked for."""
    _warm()
    talk.send(b"warm")
    while True:
        order, sockets, _, _ = socket.recv_fds(talk, 100, 1)
        if not order:
            return
        if sockets:
            talk.send(str(_fork(talk, sockets[0])).encode())
            os.close(sockets[0])
        else:
            talk.send(str(os.waitpid(int(order), 0)[1]).encode())


def _fork(talk: socket.socket, descriptor: int) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        talk.close()
        Program(socket.socket(fileno=descriptor)).live()
        status = 0
    except BaseException:  # noqa: BLE001 - it goes no further than this process, and would not be seen
        print_exc()
    finally:
        os._exit(status)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
