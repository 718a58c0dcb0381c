"""A signal or a period that comes in the middle of a write to a held file is served when the write has returned."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.program import Program, finish, wait_for

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = """
    import sys
    from lattice_addons import StateClosureManager, StateManagerGroup

    group = StateManagerGroup()
    group.register('log')
    group.register('lines', StateClosureManager)
    size, buffering = int(sys.argv[1]), int(sys.argv[2])
    lines = group.get('lines')
    log = group.get('log')
    if log is not None:
        log.flush()
        text = open('log.txt').read()
        print('found', len(text) // size - lines, log.tell() == len(text))
        sys.exit()
    log = open('log.txt', 'w', buffering)
    lines = 0
    group.update('log', log)
    group.update('lines', lambda: lines)
    print('begun')
    line = 'x' * (size - 1) + '\\n'
    while True:
        log.write(line)
        lines += 1
"""


@pytest.mark.parametrize(("size", "buffering"), [("200000", "-1"), ("100", "1"), ("100", "-1")])
@pytest.mark.parametrize("periodic", [False, True])
def test_the_file_is_as_new_as_the_other_slots(
    tmp_path: Path, size: str, buffering: str, periodic: bool
) -> None:
    """After SIGTERM (or SIGKILL, and a periodic save) file and counter are those of one instant."""
    program = Program(tmp_path, SOURCE)
    config = "periodic_saving=enabled,periodic_saving_interval=0.1" if periodic else ""
    process = program.start(size, buffering, config=config)
    wait_for(process, "begun")
    time.sleep(0.1)
    while periodic and process.poll() is None and not program.checkpoints():
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL if periodic else signal.SIGTERM)
    ended = finish(process)
    assert ended.stderr == ""
    assert program.checkpoints(), "nothing was saved"

    found = program.run(size, buffering).stdout.split()

    # A line more in the file than counted: the signal came between the write and the count.
    assert found[:1] == ["found"]
    assert found[1] in ("0", "1")
    assert found[2] == "True"
