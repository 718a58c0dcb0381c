"""A spool that is deleted under a program that runs, and made again as the error says, is one as before."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.program import Program, finish

if TYPE_CHECKING:
    from pathlib import Path

DELETED = """
import shutil, time
from pathlib import Path
from lattice_addons import StateManagerGroup
from lattice_addons.errors import StoreError
from lattice_addons.storage.spool._process import is_running

group = StateManagerGroup()
group.register("a")
group.update("a", 1)
group.save()
while not list(Path("store").glob("*/*/checkpoints/*.json")):
    time.sleep(0.01)
(spool,) = Path("spool").iterdir()
while spool.exists():  # the uploader may be writing to it
    shutil.rmtree(spool, ignore_errors=True)
group.update("a", 2)
try:
    group.save()
except StoreError as error:
    assert f"mkdir -p {spool.resolve()}" in str(error), error
    assert not spool.exists()
    print("told")
spool.mkdir(parents=True)
group.save()
deadline = time.monotonic() + 100
while not is_running(str(spool)):
    assert time.monotonic() < deadline, "no uploader runs"
    time.sleep(0.01)
"""
AGAIN = """
from lattice_addons import StateManagerGroup

group = StateManagerGroup()
group.register("a")
print(group.get("a"))
"""


@pytest.mark.one_python
def test_what_is_saved_then_is_sent(tmp_path: Path) -> None:
    """An uploader starts in the new folder, and another machine goes on from there."""
    store = tmp_path / "store"
    environ = {"LATTICE_CHECKPOINT_TYPE": "fsspec", "LATTICE_JOB_ID": "job"}
    config = f"root=file://{store},spool={tmp_path}/"
    program = Program(tmp_path, DELETED)
    done = finish(program.start(environ=environ | {"LATTICE_CHECKPOINT_CONFIG": f"{config}spool"}))
    assert (done.returncode, done.stdout) == (0, "told\n"), done.stderr
    deadline = time.monotonic() + 150
    while list(store.glob("*/*/claims/*.json")) or len(list(store.glob("*/*/checkpoints/*.json"))) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    elsewhere = environ | {"LATTICE_CHECKPOINT_CONFIG": f"{config}other"}
    again = finish(Program(tmp_path, AGAIN).start(environ=elsewhere))
    assert again.stdout == "2\n", again.stderr
