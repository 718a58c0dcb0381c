"""The uploader is started as a process of its own, which nobody has to wait for."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from lattice_addons._system import O_CLOEXEC, O_NOFOLLOW, O_NONBLOCK
from lattice_addons._system import lock as lock_file
from lattice_addons.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LOCK", "LOG", "POKE", "is_running", "lock", "open_poke", "start"]

LOCK, LOG, POKE = "uploader.lock", "uploader.log", "poke"
# It forks before it does anything else: the program that starts it has no child to wait for. What it is told comes
# by a pipe: arguments and files can be read by others.
_CODE = """\
import os
if os.fork():
    os._exit(0)
import json, sys
told = json.loads(sys.stdin.buffer.readline())
if told["version"] != [sys.implementation.name, *sys.version_info[:2]]:
    sys.exit("this is another Python than the program's: " + sys.version)
sys.path[:] = told["path"]
from lattice_addons.storage.spool._uploader import main
main(told)
"""
_READY = b"ready\n"
# How long it may take to start on a machine that does much else, in seconds.
_START = 30.0


def open_poke(home: str) -> int:
    """Open the pipe by which a program pokes the uploader, and whose end shows it that the program has ended."""
    path = os.path.join(home, POKE)
    with suppress(FileExistsError):
        os.mkfifo(path, 0o600)
    # For reading, too: so it can be opened before there is an uploader.
    return os.open(path, os.O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW)


def lock(home: str, seconds: float = 0.0) -> int | None:
    """Become the one that sends, until the descriptor is closed; None where another one is."""
    descriptor = os.open(os.path.join(home, LOCK), os.O_RDWR | os.O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    deadline = time.monotonic() + seconds
    while True:
        try:
            lock_file(descriptor)
        except BlockingIOError:
            if time.monotonic() < deadline:
                time.sleep(0.01)
                continue
            os.close(descriptor)
            return None
        except OSError:
            pass  # a file system without locks: two of them do twice what is done once, and harm nothing
        return descriptor


def is_running(home: str) -> bool:
    """Say whether somebody sends what is in a spool."""
    try:
        descriptor = os.open(os.path.join(home, LOCK), os.O_RDWR | O_CLOEXEC | O_NOFOLLOW)
    except OSError:
        return False
    try:
        # Shared, and for an instant: who wants to become the one tries again.
        lock_file(descriptor, shared=True)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False


def start(home: str, told: dict[str, Any], *, wait: bool = True) -> None:
    """Start the uploader of a spool; with ``wait``, see that it runs.

    Raises:
        StoreError: no Python could be found that runs it.
    """
    said: list[str] = []
    for python in dict.fromkeys(_pythons()):
        try:
            if _started(python, home, told, wait=wait):
                return
            said.append(f"{python}: see {LOG}")
        except OSError as error:
            said.append(f"{python}: {error.strerror or error}")
    tried = "; ".join(said) or "sys.executable names none"
    message = (
        f"the uploader of {told['shown']} could not be started ({tried}): what is saved stays in {home} until "
        f"`lattice upload --spool {home}` sends it"
    )
    raise StoreError(message, url=told["shown"])


def _pythons() -> Iterator[str]:
    """Give what may be this Python's interpreter; a program that embeds it would run the program once more."""
    if getattr(sys, "frozen", False):
        return
    names = [sys.executable or "", getattr(sys, "_base_executable", "") or ""]
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    names += [
        os.path.join(sys.exec_prefix, "bin", name) for name in (f"python{version}", "python3", "python")
    ]
    for name in names:
        if os.path.basename(name).lower().startswith(("python", "pypy")) and os.access(name, os.X_OK):
            yield name


def _started(python: str, home: str, told: dict[str, Any], *, wait: bool) -> bool:
    version = [sys.implementation.name, *sys.version_info[:2]]
    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    path = [os.path.abspath(entry) for entry in sys.path]
    known = told | {"version": version, "home": home, "path": path if package in path else [*path, package]}
    log = os.open(
        os.path.join(home, LOG), os.O_WRONLY | os.O_APPEND | os.O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600
    )
    try:
        child = subprocess.Popen(  # noqa: S603 - this interpreter, with a program of ours
            [python, "-c", _CODE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd="/",
            start_new_session=True,
            close_fds=True,
        )
    finally:
        os.close(log)
    assert child.stdin is not None  # noqa: S101 - as asked for
    assert child.stdout is not None  # noqa: S101 - as asked for
    with child.stdout:
        with suppress(BrokenPipeError), child.stdin:
            child.stdin.write(json.dumps(known).encode() + b"\n")
        deadline = time.monotonic() + _START
        ready = not wait or _hears(child.stdout.fileno(), deadline)
    try:
        child.wait(max(deadline - time.monotonic(), 1.0))
    except subprocess.TimeoutExpired:
        ready = False
    if not ready:
        # It, or what it has forked, does something else than it should.
        with suppress(OSError):
            os.killpg(child.pid, 9)
        child.wait()
    return ready


def _hears(descriptor: int, deadline: float) -> bool:
    """Wait until the process says that it runs."""
    heard = b""
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    while _READY not in heard:
        left = deadline - time.monotonic()
        if left <= 0 or not waiting.poll(left * 1000):
            return False
        more = os.read(descriptor, 4096)
        if not more:
            return False
        heard += more
    return True
