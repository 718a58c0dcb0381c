"""On what the figures were taken: without it they mean little."""

from __future__ import annotations

import os
import platform
import time
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from lattice_addons import __version__

if TYPE_CHECKING:
    from benchmarks._setup import Setup

__all__ = ["machine"]

LIBRARIES = (
    "numpy",
    "torch",
    "torchsnapshot",
    "safetensors",
    "lightning",
    "joblib",
    "cloudpickle",
    "dill",
    "s3fs",
    "moto",
    "starlette",
    "uvicorn",
    "loky",
    "pyarrow",
    "ray",
)


def machine(setup: Setup) -> dict[str, str]:
    """Say what the machine is, and what is measured on it."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{memory:.1f} GiB",
        "file system": _file_system(setup.folder),
        "kernel": f"{platform.system()} {platform.release()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "Lattice": __version__,
        "libraries": ", ".join(filter(None, map(_library, LIBRARIES))),
        "state": f"{max(setup.mib // 4, 1)} float32 arrays of 4 MiB, medians of {setup.rounds} rounds",
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()


def _file_system(folder: str) -> str:
    """Give the type and options of what is mounted nearest above the folder."""
    best = ("", "unknown")
    with open("/proc/self/mounts", encoding="utf-8") as file:
        for line in file:
            _, point, kind, options, *_ = line.split()
            inside = os.path.commonpath((os.path.realpath(folder), point)) == point
            if inside and len(point) >= len(best[0]):
                best = (point, f"{kind} ({options})")
    return best[1]


def _library(name: str) -> str:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return ""
