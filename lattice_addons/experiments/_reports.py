"""A run asks the sampler, which lives with the runner, whether it is worth going on."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import socket
import tempfile
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._running import Running

__all__ = ["ReportServer", "asker"]

_log = logging.getLogger("lattice_addons.experiments")
_PAUSE = 0.1  # seconds until a worker that could not be let in is let in
_PATIENCE = 1.0  # seconds that the end of a server may take
_here: dict[str, Callable[[str, float, float], bool]] = {}  # of runners in this process, by their start


class ReportServer:
    """Answers workers, from a thread for each; ``judge`` gets an identity, a step and a value."""

    def __init__(self, run: str, judge: Callable[[str, float, float], bool], *, far: bool = False) -> None:
        from multiprocessing.connection import Listener

        self._run = run
        self._lock = threading.Lock()
        self._judge = judge
        self._folder = ""
        secret = secrets.token_bytes(32)
        if far:
            self._family = socket.AF_INET
            self._listener = Listener((socket.gethostbyname(socket.gethostname()), 0), "AF_INET", 64, secret)
        else:
            # Not in the place: the path of a socket is a hundred characters at most.
            self._family = socket.AddressFamily["AF_UNIX"]
            self._folder = tempfile.mkdtemp(prefix="lattice-")
            self._listener = Listener(os.path.join(self._folder, "reports"), "AF_UNIX", 64, secret)
        self.address = self._listener.address, secret
        _here[run] = self._judged
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._accept, name="lattice-reports", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Answer no more."""
        _here.pop(self._run, None)
        self._ended.set()
        # Nothing but somebody who comes lets a thread go that waits for somebody.
        with suppress(OSError), socket.socket(self._family) as nobody:
            nobody.connect(self.address[0])
        self._thread.join(_PATIENCE)
        self._listener.close()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _judged(self, identity: str, step: float, value: float) -> bool:
        with self._lock:
            return self._judge(identity, step, value)

    def _accept(self) -> None:
        from multiprocessing import AuthenticationError

        while not self._ended.is_set():
            try:
                connection = self._listener.accept()
            except (AuthenticationError, EOFError, ConnectionError):
                continue  # somebody else, or a worker that was killed
            except OSError:
                # Too many files are open, say: a worker that has come waits for an answer, and gets it later.
                self._ended.wait(_PAUSE)
                continue
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: Any) -> None:
        with connection:
            try:
                while True:
                    connection.send(self._judged(*connection.recv()))
            except (EOFError, OSError):
                return  # the worker is done


def asker(running: Running) -> Callable[[float, float], bool] | None:
    """Give what tells a task's runner a step and a value and says whether to give up; None where nobody asks."""
    course, identity = running.course, running.task.identity
    if course.reports is None:
        return None
    judge = _here.get(course.run)
    if judge is not None:
        return lambda step, value: judge(identity, step, value)

    def ask(step: float, value: float) -> bool:
        try:
            connection = _connection(*course.reports)  # type: ignore[misc] # looked at above
            connection.send((identity, float(step), float(value)))
            return bool(connection.recv())
        except (OSError, EOFError) as error:
            # A run does not fail because nobody can say whether it is worth it.
            _log.warning("the runner of %s does not answer reports: %s", running.task.name, error)
            return False

    return ask


_connections: dict[Any, Any] = {}


def _connection(address: Any, secret: bytes) -> Any:
    """Give this thread's connection to a runner."""
    from multiprocessing.connection import Client

    key = address, threading.get_ident()
    if key not in _connections:
        _connections[key] = Client(address, authkey=secret)
    return _connections[key]
