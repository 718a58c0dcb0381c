"""``periodic_saving_interval=auto`` saves the dear rarely and the cheap often, in real programs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.faults.ending import ending, reasons
from tests.program import finish

if TYPE_CHECKING:
    from pathlib import Path

AUTO = "periodic_saving=enabled,periodic_saving_interval=auto,periodic_saving_overhead="
# Nobody waits for the first save, of which nothing is known yet.
BEFORE = "from lattice_addons.lifecycle import _cadence\n_cadence._FIRST = 0.1"
BODY = """\
from lattice_addons.state import StateClosureManager
def capture():
    began = time.process_time()
    while time.process_time() - began < {cost}: pass
    return value["n"]
group.register("priced", StateClosureManager)
group.update("priced", capture)
while saves() < {saves}: time.sleep(0.01)
os._exit(0)
"""


def test_what_a_save_costs_decides_how_often_it_is_made(tmp_path: Path) -> None:
    """While the cheap state, and the dear one that may cost more, are saved again, the dear one is saved once."""
    programs, processes = {}, {}
    # The second save of the dear one is due two minutes after the first.
    for name, cost, share in (("dear", 1.2, 0.01), ("cheap", 0.0, 0.01), ("allowed", 1.2, 0.9)):
        (tmp_path / name).mkdir()
        programs[name] = ending(tmp_path / name, BODY.format(cost=cost, saves=2), BEFORE)
        processes[name] = programs[name].start(config=f"{AUTO}{share}")
    try:
        for name in ("cheap", "allowed"):
            ended = finish(processes[name])
            assert (ended.returncode, ended.stderr) == (0, ""), name
        deadline = time.monotonic() + 120
        while not programs["dear"].checkpoints():
            assert time.monotonic() < deadline, "it was never saved"
            time.sleep(0.02)
        assert reasons(programs["dear"]) == ["periodic"]
    finally:
        processes["dear"].kill()
        processes["dear"].communicate()
