"""A run asks the sampler, which lives with the runner, whether it is worth going on."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import socket
import tempfile
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._running import Running

__all__ = ["ReportServer", "asker"]

_log = logging.getLogger("lattice_addons.experiments")
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
            self._listener = Listener((socket.gethostbyname(socket.gethostname()), 0), "AF_INET", 64, secret)
        else:
            # Not in the place: the path of a socket is a hundred characters at most.
            self._folder = tempfile.mkdtemp(prefix="lattice-")
            self._listener = Listener(os.path.join(self._folder, "reports"), "AF_UNIX", 64, secret)
        self.address = self._listener.address, secret
        _here[run] = self._judged
        threading.Thread(target=self._accept, name="lattice-reports", daemon=True).start()

    def close(self) -> None:
        """Answer no more."""
        _here.pop(self._run, None)
        self._listener.close()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _judged(self, identity: str, step: float, value: float) -> bool:
        with self._lock:
            return self._judge(identity, step, value)

    def _accept(self) -> None:
        from multiprocessing import AuthenticationError

        while True:
            try:
                connection = self._listener.accept()
            except (AuthenticationError, EOFError, ConnectionError):
                continue  # somebody else, or a worker that was killed
            except OSError:
                return  # closed
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
