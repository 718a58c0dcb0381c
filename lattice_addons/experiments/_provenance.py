"""With what an experiment ran: its source, the state of its repository, its packages, its machine, its seed."""

from __future__ import annotations

import os
import platform
import re
import socket
import subprocess
import sys
import time
from functools import cache
from typing import TYPE_CHECKING, Any

from blake3 import blake3

from lattice_addons import __version__

from ._place import Place

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["NOTE", "provenance", "provenance_of"]

#: The word under which a runner notes it in the journal.
NOTE = "provenance"
_LONGEST = 1024 * 1024
_SECONDS = 5.0
_MOST = 1000
_INSTALLED = re.compile(r"([^-]+)-([^-]+)(?:-py[\d.]+)?\.(?:dist|egg)-info")


def provenance(experiment: type, seed: int | None = None, place: Place | None = None) -> dict[str, Any]:
    """Give what somebody needs to run it again, as plain data; what lies in its place is no part of its code.

    ``code`` has the module's file with its text, and of its git repository the commit, whether it is ``dirty``, the
    ``diff`` to the commit, and the names of files that it does not know. Nothing of the environment's variables.
    """
    return {
        "at": time.time(),
        "experiment": f"{experiment.__module__}.{experiment.__qualname__}",
        "seed": seed,
        "argv": sys.argv[:_MOST],
        "folder": _folder(),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "python": platform.python_version(),
        "packages": _packages(),
        "code": _code(experiment, place.root if place is not None and place.local else ""),
    }


def provenance_of(experiment: type | str, root: str | None = None) -> list[dict[str, Any]]:
    """Give what each start of an experiment's runner has recorded, the oldest first; see `provenance`.

    A run is of the last start that is not after its own ``started``.
    """
    return Place(experiment, root).journal().notes(NOTE)


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return ""


@cache
def _packages() -> dict[str, str]:
    """Give what is installed, by the names of its folders: to read what each says takes a hundred times as long."""
    found = {"lattice-addons": __version__}  # which may be run from its source
    for folder in sys.path:
        try:
            names = os.listdir(folder or ".")
        except OSError:  # an archive, or not there
            continue
        for name in names:
            told = _INSTALLED.fullmatch(name)
            if told is not None:
                found.setdefault(told[1].replace("_", "-").lower(), told[2])
    return dict(sorted(found.items()))


def _code(experiment: type, apart: str) -> dict[str, Any]:
    source = getattr(sys.modules.get(experiment.__module__), "__file__", None)
    told: dict[str, Any] = {"file": source, "text": None, "digest": None, "commit": None}
    if not source:
        return told
    try:
        with open(source, "rb") as file:
            content = file.read()
    except OSError:
        return told
    told["digest"] = blake3(content).hexdigest()
    told["text"] = _shortened(content)
    folder = os.path.dirname(os.path.abspath(source))
    names = _git(folder, "rev-parse", "HEAD", "--abbrev-ref", "HEAD", "--show-toplevel")
    if names is None:
        return told
    # What may be of several lines comes last.
    told["commit"], branch, top = names.decode("utf-8", "replace").rstrip("\n").split("\n", 2)
    diff = _git(top, "diff", "--no-ext-diff", "--no-textconv", "--binary", "HEAD")
    unknown = _git(top, "ls-files", "--others", "--exclude-standard", "-z") or b""
    new = [os.fsdecode(name) for name in unknown.split(b"\0") if name]
    if apart:
        new = [name for name in new if not os.path.join(top, name).startswith(apart + os.sep)]
    told.update(
        repository=top,
        branch=branch,
        dirty=bool(diff) or bool(new),
        diff=None if diff is None else _shortened(diff),
        unknown=new[:_MOST],
    )
    return told


def _shortened(content: bytes) -> str:
    text = content[:_LONGEST].decode("utf-8", "replace")
    return text if len(content) <= _LONGEST else f"{text}\n… and {len(content) - _LONGEST:,} bytes more\n"


def _git(folder: str, *arguments: str) -> bytes | None:
    """Ask git, without locking anything or asking anybody; None where it has no answer, or none in time."""
    command: Sequence[str] = ("git", "-c", "core.fsmonitor=false", "-C", folder, *arguments)
    environ = {name: text for name, text in os.environ.items() if not name.startswith("GIT_")}
    environ.update(GIT_OPTIONAL_LOCKS="0", GIT_TERMINAL_PROMPT="0", LC_ALL="C")
    try:
        done = subprocess.run(  # noqa: S603 - git, with the arguments above
            command, env=environ, capture_output=True, timeout=_SECONDS, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError):  # git is not installed, or the disk is very slow
        return None
    return done.stdout if done.returncode == 0 else None
