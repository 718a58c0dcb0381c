"""A program is started with a store of its own, and stopped: whether it saves then is seen, and not guessed."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from lattice_addons.checkpoint import Line, jobs, ranks
from lattice_addons.cli._output import counted, duration
from lattice_addons.settings import Settings
from lattice_addons.storage import LocalStore

from ._check import good, problem, warning
from ._here import held_back

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lattice_addons.checkpoint import Checkpoint

    from ._check import Check

__all__ = ["program"]

_LOOK = 0.02
_OWN = "if it makes Settings of its own, it saves where they say, and is not seen here"


def program(settings: Settings, command: Sequence[str], seconds: float, after: float) -> Iterator[Check]:
    """Start it, wait so long until it uses Lattice, some time after that send SIGTERM, and see what is there then."""
    with tempfile.TemporaryDirectory(prefix="lattice-doctor-") as folder:
        root = Path(folder) / "store"
        try:
            process = subprocess.Popen(  # noqa: S603 - the user's own
                command, env=_environ(settings, root), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
            )
        except OSError as error:
            yield problem(
                "program", f"{command[0]} cannot be started ({error.strerror})", "see that it is there"
            )
            return
        try:
            yield from _stopped(settings, process, root, seconds, after)
        finally:
            process.kill()
            process.wait()


def _environ(settings: Settings, root: Path) -> dict[str, str]:
    """Give it a store of its own: its real one stays as it is."""
    hidden = ("LATTICE_CHECKPOINT_TYPE", "LATTICE_CHECKPOINT_CONFIG", "LATTICE_JOB_ID", "LATTICE_RUN_ID")
    environ = {name: value for name, value in os.environ.items() if name not in hidden}
    signals = "+".join(settings.signals) or "none"
    exits = "enabled" if settings.atexit_saving else "disabled"
    config = f"root={root},signals={signals},atexit_saving={exits},grace={settings.grace:g}"
    return environ | {"LATTICE_CHECKPOINT_CONFIG": config}


def _stopped(
    settings: Settings, process: subprocess.Popen[bytes], root: Path, seconds: float, after: float
) -> Iterator[Check]:
    end = time.monotonic() + seconds
    while not _leases(root) and process.poll() is None and time.monotonic() < end:
        time.sleep(_LOOK)
    if process.poll() is not None:
        yield from _ended(settings, process.returncode, root)
        return
    if not _leases(root):
        todo = f"make a StateManagerGroup() early, or LATTICE_AUTOPATCH for a trainer; --wait longer; {_OWN}"
        yield problem("program", f"it has not begun to use Lattice within {duration(seconds)}", todo)
        return
    # Until handlers are there, and slots have values.
    with suppress(subprocess.TimeoutExpired):
        process.wait(after)
    if process.poll() is not None:
        yield from _ended(settings, process.returncode, root)
        return
    yield from _held_back(settings, process.pid)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(max(settings.grace, 1.0) + seconds)
    except subprocess.TimeoutExpired:
        yield problem("program", "it did not end at SIGTERM", "see which handler of its own takes the signal")
        return
    newest, took = _newest(settings, root), duration(time.monotonic() - began)
    if newest is None:
        todo = "leave SIGTERM to Lattice, or save() in the handler that takes it; --after, if no slot had a value yet"
        yield problem("program", f"stopped by SIGTERM it saved nothing, and ended within {took}", todo)
    else:
        slots = counted(len(newest.slots), "slot")
        yield good(
            "program", f"stopped by SIGTERM it saved {slots} ({newest.reason}), and ended within {took}"
        )


def _held_back(settings: Settings, pid: int) -> Iterator[Check]:
    for name in settings.signals:
        why = held_back(name, pid)
        if why:
            yield warning(
                "program", f"{name} is {why} in it: no save at that signal", "see what in it does that"
            )


def _ended(settings: Settings, status: int, root: Path) -> Iterator[Check]:
    """Judge a program that ended before it could be stopped."""
    newest = _newest(settings, root)
    if newest is not None:
        slots = counted(len(newest.slots), "slot")
        yield good("program", f"it ended (status {status}) and saved {slots} ({newest.reason})")
    elif status:
        yield problem(
            "program", f"it ended with status {status}, and saved nothing", "see what it wrote to stderr"
        )
    else:
        todo = f"make a StateManagerGroup(), and register what is to be kept; {_OWN}"
        yield problem("program", "it ended, and saved nothing: it does not use Lattice", todo)


def _leases(root: Path) -> list[Path]:
    return list(root.glob("*/rank-*/lease.json"))


def _newest(settings: Settings, root: Path) -> Checkpoint | None:
    if not root.is_dir():
        return None
    store = LocalStore(str(root), create=False)
    own = Settings(root=str(root), key=settings.key, encryption_key=settings.encryption_key)
    lines = (Line(store, job, rank, settings=own) for job in jobs(store) for rank in ranks(store, job))
    return next(filter(None, (line.newest() for line in lines)), None)
