"""LATTICE_LOGLEVEL says what is shown, where the program does not say it itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.program import Program

if TYPE_CHECKING:
    from pathlib import Path

BODY = """
from lattice_addons import StateManagerGroup
group = StateManagerGroup()
group.register("step")
group.update("step", 1)
group.save()
"""
OWN = "import logging\nlogging.basicConfig(format='mine: %(message)s', level='DEBUG')\n"
QUIET = "import logging\nlogging.getLogger('lattice_addons').setLevel('ERROR')\n"


@pytest.mark.one_python
@pytest.mark.parametrize(
    ("before", "level", "lines"),
    [("", "WARNING", 0), ("", "INFO", 2), (OWN, "WARNING", 0), (OWN, "INFO", 2), (QUIET, "INFO", 0)],
)
def test_saves_are_logged_at_info(tmp_path: Path, before: str, level: str, lines: int) -> None:
    """Each save is one line; the program's own logging has it, and else stderr."""
    ended = Program(tmp_path, before + BODY).run(environ={"LATTICE_LOGLEVEL": level})
    told = [line for line in ended.stderr.splitlines() if "checkpoint" in line and "bytes_new=" in line]
    assert len(told) == lines
    assert all(line.startswith("mine: ") == (before == OWN) for line in told)
