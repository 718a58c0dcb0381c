"""Settings, versions, disks and signals, as a program that is started here will find them."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from lattice_addons import __version__
from lattice_addons._environ import meant
from lattice_addons.cli._output import size
from lattice_addons.settings import VARIABLES, Settings

from ._check import good, looked_at, problem, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._check import Check

__all__ = ["held_back", "here"]

# Less than this is no room for a checkpoint of anything.
_LITTLE = 64 * 1024 * 1024
_FEW = 100  # files
_NEEDED = re.compile(r"([A-Za-z0-9._-]+)>=([0-9.]+)(?:; python_version < ['\"]([0-9.]+)['\"])?")
_VOLATILE = ("tmpfs", "ramfs")


def here(settings: Settings) -> Iterator[Check]:
    """Look at all of it."""
    yield from looked_at("settings", lambda: _settings(settings))
    yield from looked_at("versions", _versions)
    yield from looked_at("disk", lambda: _disks(settings))
    yield from looked_at("signals", lambda: _signals(settings))


def _settings(settings: Settings) -> Iterator[Check]:
    job = f", job {settings.job_id}" if settings.job_id is not None else ""
    yield good("settings", f"a store of type {settings.type} at {settings.root}{job}")
    if settings.disabled:
        yield problem("settings", "LATTICE_DISABLE is set: nothing is saved or loaded", "unset it")
    for name in os.environ:
        right = meant(name)
        if right is not None:
            yield warning("settings", f"{name} is set, and means nothing", f"did you mean {right}?")
        elif name.startswith("LATTICE_") and name not in VARIABLES:
            todo = f"unset it, unless another program reads it; there are {', '.join(VARIABLES)}"
            yield warning("settings", f"{name} is set, and means nothing here", todo)


def _versions() -> Iterator[Check]:
    lacking = []
    for told in metadata.requires("lattice-addons") or () if _is_installed() else ():
        match = _NEEDED.match(told.replace(" ;", ";")) if "extra ==" not in told else None
        if match is None or (match[3] is not None and sys.version_info >= _numbers(match[3])):
            continue
        try:
            there = metadata.version(match[1])
        except metadata.PackageNotFoundError:
            lacking.append(f"{match[1]} is not installed")
            continue
        if _numbers(there) < _numbers(match[2]):
            lacking.append(f"{match[1]} is {there}, and {match[2]} is needed")
    python = ".".join(map(str, sys.version_info[:3]))
    if lacking:
        yield problem("versions", "; ".join(lacking), "pip install --upgrade lattice-addons")
    else:
        yield good("versions", f"lattice-addons {__version__}, Python {python}")


def _is_installed() -> bool:
    try:
        metadata.version("lattice-addons")
    except metadata.PackageNotFoundError:
        return False  # it is used from a checkout
    return True


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)[:3]))


def _disks(settings: Settings) -> Iterator[Check]:
    folders = [settings.root] if settings.type == "local" else []
    folders += [settings.spool] if settings.type in ("s3", "fsspec", "remote") else []
    for folder in folders:
        there = _nearest(Path(folder).absolute())
        usage = shutil.disk_usage(there)
        kind, options = _mount(there)
        free = f"{size(usage.free)} of {size(usage.total)} are free for {folder}"
        if "ro" in options:
            yield problem(
                "disk", f"{folder} is on a file system that is mounted read-only", "name another root"
            )
        elif usage.free < _LITTLE or _few_files(there):
            yield problem("disk", f"only {free}", "`lattice prune`, make room, or name another root")
        elif kind in _VOLATILE:
            todo = "name a root on a disk, if it is to survive a restart of the machine"
            yield warning("disk", f"{free}, in memory ({kind})", todo)
        else:
            yield good("disk", free)


def _few_files(folder: Path) -> bool:
    """Say whether the file system has next to no room for more names, where it counts them."""
    if sys.platform == "win32" or not hasattr(os, "statvfs"):
        return False
    inodes = os.statvfs(folder)
    return bool(inodes.f_files) and inodes.f_favail < _FEW


def _nearest(path: Path) -> Path:
    """Give the folder, or the first above it that is there."""
    return next(each for each in (path, *path.parents) if each.is_dir())


def _mount(path: Path) -> tuple[str, list[str]]:
    """Give the kind of the file system that a folder is on, and how it is mounted."""
    found: tuple[str, list[str]] = ("", [])
    longest = -1
    try:
        lines = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return found
    for line in lines:
        _, where, kind, options, *_ = line.split(" ")
        where = where.replace("\\040", " ")
        if path.is_relative_to(where) and len(where) >= longest:
            longest, found = len(where), (kind, options.split(","))
    return found


def _signals(settings: Settings) -> Iterator[Check]:
    saved = [name for name in settings.signals if not held_back(name, "self")]
    for name in settings.signals:
        why = held_back(name, "self")
        if why == "blocked":
            yield problem(
                "signals", f"{name} is blocked here, and so in programs", "start them from another shell"
            )
        elif why == "ignored":
            todo = f"nohup does that: such a program does not end by {name}, and so needs no save"
            yield warning("signals", f"{name} is ignored here, and so in programs", todo)
    if saved:
        yield good("signals", f"a program started here saves at {', '.join(saved)}")
    elif not settings.signals:
        yield warning(
            "signals", "signals=none: a program that is terminated does not save", "leave `signals` out"
        )
    if not settings.atexit_saving:
        yield warning(
            "exits", "atexit_saving=disabled: a program that ends does not save by itself", "enable it"
        )
    else:
        yield good("exits", "a program saves when it ends, also by an exception")
    if settings.periodic_saving:
        yield good("kills", f"a save every {settings.periodic_saving_interval} s is what a SIGKILL leaves")
    else:
        todo = "periodic_saving=enabled,periodic_saving_interval=auto bounds that"
        yield warning("kills", "SIGKILL, a power cut or no memory lose what came after the last save", todo)


def held_back(name: str, pid: str | int) -> str:
    """Say whether a signal is ``blocked`` or ``ignored`` in a process; an empty text when it is neither."""
    number = int(getattr(signal, name, 0))
    if not number:
        return "not there"
    masks = {"SigBlk:": "blocked", "SigIgn:": "ignored"}
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    for line in status.splitlines():
        told, _, mask = line.partition("\t")
        if told in masks and int(mask, 16) >> (number - 1) & 1:
            return masks[told]
    return ""
