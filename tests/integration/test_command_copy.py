"""Jobs are copied between real stores, by a command that is killed again and again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from lattice_addons import Settings, StateManagerGroup
from lattice_addons.checkpoint import Line
from lattice_addons.storage import open_store
from tests.program import clean_environ

if TYPE_CHECKING:
    from pathlib import Path


def copy(*words: object, **environ: str) -> subprocess.Popen[str]:
    """Start the command."""
    command = [sys.executable, "-m", "lattice_addons.cli", "copy", *map(str, words), "--json"]
    return subprocess.Popen(
        command, env=clean_environ(**environ), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """Make a store with a job of eight checkpoints, 16 MiB in all, that do not compress."""
    group = StateManagerGroup(Settings(root=str(tmp_path / "here"), job_id="job", signals=(), keep=99))
    group.register("blob")
    group.register("n")
    for n in range(8):
        group.update("n", n)
        group.update("blob", os.urandom(2 << 20))
        group.save()
    group.close()
    return tmp_path / "here"


def files(root: Path) -> dict[str, bytes]:
    """Give the files of the job but its claims, which an uploader gives back when it will."""
    found = (path for path in (root / "job").rglob("*") if path.parent.name != "claims" and path.is_file())
    return {str(path.relative_to(root)): path.read_bytes() for path in found}


def arrived(there: Path) -> list[int]:
    """Give the numbers of the checkpoints that are there."""
    return sorted(int(path.stem) for path in there.glob("job/*/checkpoints/*.json"))


@pytest.mark.parametrize("url", ["{}/there", "file://{}/there"], ids=["folder", "url"])
def test_a_copy_that_is_killed_goes_on(here: Path, tmp_path: Path, url: str) -> None:
    """Whatever is there in between can be read to its end; at last it is all there, byte for byte."""
    where = url.format(tmp_path)
    spool = {"LATTICE_CHECKPOINT_CONFIG": f"spool={tmp_path}/spool"}
    there = tmp_path / "there"
    for count in (1, 3, 6):
        process = copy(here, where, **spool)
        while len(arrived(there)) < count and process.poll() is None:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        settings = Settings(root=str(there), job_id="job", signals=(), atexit_saving=False)
        before = arrived(there)
        line = Line(open_store(settings), "job", settings=settings)
        # An uploader may go on meanwhile.
        numbers = line.numbers()
        assert numbers[: len(before)] == before
        assert numbers == list(range(1, len(numbers) + 1))
        assert all(finding.good for finding in line.verify())
    process = copy(here, where, **spool)
    told, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    (row,) = json.loads(told)
    assert row["checkpoints"] + row["there"] == 8
    assert files(there) == files(here)


def test_into_a_bucket_and_back(here: Path, tmp_path: Path) -> None:
    """By way of another kind of store, nothing is lost or added."""
    spool = {"LATTICE_CHECKPOINT_CONFIG": f"spool={tmp_path}/spool"}
    for source, target in (
        (here, f"file://{tmp_path}/bucket"),
        (f"file://{tmp_path}/bucket", tmp_path / "back"),
    ):
        process = copy(source, target, "job", **spool)
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    assert files(tmp_path / "back") == files(here)
