"""Warm processes and fast folders for the crash tests."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.faults.crash import disks
from tests.faults.crash.disks import DISKS, Disk
from tests.faults.crash.zygote import Zygote

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    """Give a warm process that forks saving programs, in a mount namespace of its own where that can be."""
    warm = Zygote(mounts=not disks.why_not("tmpfs"))
    yield warm
    warm.close()


@pytest.fixture(scope="session")
def mounting(zygote: Zygote) -> Zygote:
    """Give a warm process in a mount namespace of its own."""
    if why := disks.why_not("tmpfs"):
        pytest.skip(why)
    return zygote


@pytest.fixture
def disk(mounting: Zygote, folder: Path, request: pytest.FixtureRequest) -> Iterator[Disk]:
    """Give a file system of the kind that the test names."""
    kind = DISKS[request.param]
    if why := disks.why_not(kind.system):
        pytest.skip(why)
    with Disk(mounting, folder, kind) as ready:
        yield ready


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a folder in memory, where a kill shows the same as on a disk, and a thousand saves take no time."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - a folder of our own in it
    path = Path(tempfile.mkdtemp(prefix="lattice-crash-", dir=memory))
    (path / "place").mkdir()
    yield path / "place"
    shutil.rmtree(path, ignore_errors=True)
