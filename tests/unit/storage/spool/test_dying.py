"""A process that is killed is not dead at once; its claim is given back all the same, and not left to expire."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.program import Program, finish

if TYPE_CHECKING:
    from pathlib import Path

# The kernel closes a dying process's files, by which the uploader sees that it is alone, before the process is gone.
DYING = """
import os, signal, time
from pathlib import Path
from lattice_addons import StateManagerGroup

group = StateManagerGroup()
group.register("a")
group.update("a", 1)
group.save()
while not list(Path("store").glob("*/*/checkpoints/*.json")):
    time.sleep(0.01)
os.closerange(3, 256)
time.sleep(0.7)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.one_python
def test_the_claim_is_given_back(tmp_path: Path) -> None:
    """Within moments: another machine may go on."""
    program = Program(tmp_path, DYING)
    config = f"root=file://{tmp_path / 'store'},spool={tmp_path / 'spool'}"
    environ = {"LATTICE_CHECKPOINT_TYPE": "fsspec", "LATTICE_CHECKPOINT_CONFIG": config}
    assert finish(program.start(environ=environ)).returncode == -9
    deadline = time.monotonic() + 150
    while list((tmp_path / "store").glob("*/*/claims/*.json")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
