"""A shelf holds what a runner and its workers share on a host, and goes with them, however they end."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from lattice_addons.experiments import _shelf

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.mounts
@pytest.mark.one_python
def test_where_memory_is_full_it_is_a_temporary_file(tmp_path: Path) -> None:
    """Containers often have 64 MB of shared memory; where there is no room anywhere, that is the error."""
    if os.geteuid() != 0:
        pytest.skip("to mount needs root")
    program = (
        "import numpy, sys, tempfile; from lattice_addons.experiments import _shelf\n"
        "from lattice_addons.errors import ExperimentError\n"
        "shelf = _shelf.Shelf(_shelf.new_name())\n"
        "shelf.put('small', b'x'); shelf.put('big', numpy.ones(300000))\n"
        "print(shelf.path('small')); print(shelf.path('big')); print(shelf.get('big').sum())\n"
        "tempfile.tempdir = '/dev/shm'\n"
        "try: shelf.put('more', numpy.ones(300000))\n"
        "except ExperimentError as error: print(error)\n"
        "tempfile.tempdir = None; shelf.close(); print(shelf.path('big'))\n"
    )
    script = 'mount -t tmpfs -o size=1m tmpfs /dev/shm && exec "$@"'
    command = ["unshare", "-m", "sh", "-c", script, "sh", sys.executable, "-c", program]
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    told = subprocess.run(
        command, capture_output=True, text=True, check=True, env=environ
    ).stdout.splitlines()
    assert told[0].startswith(_shelf._MEMORY)
    assert told[1].startswith(str(tmp_path))
    assert told[2] == "300000.0"
    assert "no room for 2 MB of shared data" in told[3]
    assert told[4] == "None"
    assert os.listdir(tmp_path) == []


def test_what_only_workers_have_loaded_goes_with_the_runner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The runner itself has put nothing there, and removes it all the same."""
    program = (
        "import numpy, sys; from lattice_addons.experiments import _shared, _shelf; _shelf._MEMORY = sys.argv[2]\n"
        "_shared.join(sys.argv[1]); _shared.shared(None, lambda: numpy.ones(300000)); print(*_shared.current()._held)"
    )
    # Where no other runner of this machine sweeps: between the worker's end and the runner's nobody holds it.
    monkeypatch.setattr(_shelf, "_MEMORY", str(tmp_path))
    shelf = _shelf.Shelf(_shelf.new_name())
    command = [sys.executable, "-c", program, shelf.name, str(tmp_path)]
    folder = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    assert os.path.isdir(folder)
    shelf.close()
    assert not os.path.exists(folder)


def test_what_a_killed_runner_has_left_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A runner that was killed cannot remove its data: the next one does, and leaves that of the living alone."""
    program = (
        "import numpy, sys; from lattice_addons.experiments import _shared, _shelf; _shelf._MEMORY = sys.argv[1]; "
        "a = _shared.current(); a.put('x', numpy.ones(300000)); print(a.path('x'), flush=True); input()"
    )
    # Where no other runner of this machine sweeps.
    monkeypatch.setattr(_shelf, "_MEMORY", str(tmp_path))
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    left = child.stdout.readline().strip()
    assert left.startswith(str(tmp_path))
    _shelf.sweep()
    assert os.path.exists(left)  # it lives
    child.kill()
    child.communicate()
    assert os.path.exists(left)
    assert _shelf.sweep() >= 1
    assert not os.path.exists(os.path.dirname(left))
