"""The tests' end of saving programs: started, told what to do, killed, and their answers read."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.program import clean_environ

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from typing_extensions import Self

__all__ = ["Life", "Zygote"]

_REPOSITORY = Path(__file__).resolve().parents[3]
SECONDS = 180.0


class Life:
    """One saving program, from its start to its end."""

    def __init__(self, zygote: Zygote, talk: socket.socket, pid: int) -> None:
        self.pid = pid
        self._zygote = zygote
        self._talk = talk
        self._status: int | None = None

    def tell(self, *order: object) -> None:
        """Give an order, and go on without waiting."""
        self._talk.send(json.dumps(order).encode())

    def answer(self) -> dict[str, Any] | None:
        """Wait for the next answer; None when the program has ended."""
        try:
            answer = self._talk.recv(65536)
        except ConnectionResetError:  # it died with an order unread
            return None
        return json.loads(answer) if answer else None

    def ask(self, *order: object) -> dict[str, Any] | None:
        """Give an order and wait for what comes of it; None when the program ended meanwhile."""
        with suppress(BrokenPipeError):
            self.tell(*order)
        return self.answer()

    def do(self, *order: object) -> Any:
        """Give an order that has to succeed."""
        answer = self.ask(*order)
        assert answer is not None, (
            f"the program ended (status {self.end()}) at {order}: {self._zygote.errors()}"
        )
        assert "error" not in answer, f"{order}: {answer['error']}: {answer['text']}"
        return answer["done"]

    def answers(self) -> Iterator[dict[str, Any]]:
        """Give what a program that has ended said before."""
        while (answer := self.answer()) is not None:
            yield answer

    def hear(self, chance: random.Random, most: int) -> list[dict[str, Any]]:
        """Wait until the program has said a random number of things, and then for a random part of one more."""
        said: list[dict[str, Any]] = []
        began = time.monotonic()
        for _ in range(chance.randrange(most)):
            answer = self.answer()
            assert answer is not None, f"the program ended (status {self.end()})"
            said.append(answer)
        each = (time.monotonic() - began) / len(said) if said else 0.01
        time.sleep(chance.uniform(0, 1.5 * each))
        return said

    def heard(self) -> list[dict[str, Any]]:
        """Give what a program has said by now."""
        said = []
        self._talk.setblocking(False)
        with suppress(BlockingIOError):
            while (answer := self.answer()) is not None:
                said.append(answer)
        self._talk.settimeout(SECONDS)
        return said

    def kill(self) -> None:
        """Kill it."""
        if self._status is None:
            os.kill(self.pid, signal.SIGKILL)

    def end(self) -> int:
        """Hang up, wait for the program's end, and give its wait status."""
        if self._status is None:
            self._talk.shutdown(socket.SHUT_WR)
            self._status = self._zygote.wait(self.pid)
        return self._status

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Kill it, whatever it does."""
        self.kill()
        self.end()
        self._talk.close()


class Zygote:
    """A warm process, with ``mounts`` in a mount namespace of its own, whose forks are saving programs."""

    def __init__(self, *, mounts: bool = False, preload: str = "") -> None:
        self._talk, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._talk.settimeout(SECONDS)
        command = [sys.executable, "-m", "tests.faults.crash.lives", str(theirs.fileno())]
        if mounts:
            command = ["unshare", "--mount", *command]
        environ = clean_environ(**({"LD_PRELOAD": preload} if preload else {}))
        # A file and not a pipe: hundreds of programs write their warnings there, and nobody reads them.
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process runs
        self._process = subprocess.Popen(
            command, cwd=_REPOSITORY, env=environ, pass_fds=[theirs.fileno()], stderr=self._errors
        )
        theirs.close()
        if self._talk.recv(100) != b"warm":
            self._process.wait(timeout=SECONDS)
            raise OSError(self.errors())
        #: A program that lives as long as the process, for what is to be done where the programs are.
        self.hand = self.start()

    def errors(self) -> str:
        """Give what the programs wrote to their standard error."""
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")[-2000:]

    def start(self) -> Life:
        """Start a program."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(SECONDS)
        with theirs:
            socket.send_fds(self._talk, [b"start"], [theirs.fileno()])
            return Life(self, ours, int(self._talk.recv(100)))

    def wait(self, pid: int) -> int:
        """Wait for a program's end."""
        self._talk.send(str(pid).encode())
        return int(self._talk.recv(100))

    def restart(self, keeper: str, folder: str, number: int) -> int | None:
        """Give what a new program finds in a folder; it must be able to save this number next."""
        with self.start() as life:
            life.do("open", keeper, folder)
            found = life.do("load")
            life.do("save", number)
            life.do("close")
        return found  # type: ignore[no-any-return]

    def close(self) -> None:
        """End the warm process; it is no saving program and holds nothing."""
        self.hand.__exit__()
        self._talk.close()
        self._process.wait(timeout=SECONDS)
        self._errors.close()
