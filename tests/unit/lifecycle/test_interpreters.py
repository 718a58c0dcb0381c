"""Nothing is begun in an interpreter that gets no signals."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.program import Program

if TYPE_CHECKING:
    from pathlib import Path

HIRING = """
import sys
if sys.version_info >= (3, 13):
    import _interpreters as interpreters
    one = interpreters.create("legacy")
else:
    import _xxsubinterpreters as interpreters
    one = interpreters.create(isolated=False)
interpreters.run_string(one, '''
import sys
sys.path[:] = {path}
import lattice_addons.hyperparams
try:
    lattice_addons.StateManagerGroup()
except NotImplementedError as error:
    print(error.__class__.__name__, error)
''')
interpreters.destroy(one)
print("went on")
"""


def test_a_subinterpreter_is_refused(tmp_path: Path) -> None:
    """Before a thread is started that would end the process, and not only when the first signal is taken."""
    pytest.importorskip("_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters")
    ended = Program(tmp_path, HIRING.format(path=sys.path)).run()
    assert ended.stdout.startswith("UnsupportedError lattice_addons cannot save in a subinterpreter")
    assert (ended.returncode, ended.stderr, ended.stdout.splitlines()[-1]) == (0, "", "went on")
    assert not (tmp_path / ".lattice").exists()
