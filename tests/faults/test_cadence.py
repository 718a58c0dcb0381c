"""``periodic_saving_interval=auto`` saves the dear rarely and the cheap often, in real programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.faults.ending import ending, reasons

if TYPE_CHECKING:
    from pathlib import Path

AUTO = "periodic_saving=enabled,periodic_saving_interval=auto,keep=1000,periodic_saving_overhead="
# From the first save on, which comes a few seconds after the start, each is watched for the same time.
BODY = """\
from lattice_addons.state import StateClosureManager
def capture():
    began = time.monotonic()
    while time.monotonic() - began < {cost}: pass
    return value["n"]
group.register("priced", StateClosureManager)
group.update("priced", capture)
while not saves(): time.sleep(0.01)
end = time.monotonic() + 5
while time.monotonic() < end:
    for _ in range(1000): pass
os._exit(0)
"""


def test_what_a_save_costs_decides_how_often_it_is_made(tmp_path: Path) -> None:
    """The dear state is saved less often than the cheap one, and more often where it may cost more."""
    programs, processes = {}, {}
    for name, cost, share in (("cheap", 0.0, 0.035), ("dear", 0.2, 0.035), ("allowed", 0.2, 0.3)):
        (tmp_path / name).mkdir()
        programs[name] = ending(tmp_path / name, BODY.format(cost=cost))
        processes[name] = programs[name].start(config=f"{AUTO}{share}")
    for name, process in processes.items():
        _, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (0, ""), name
    saved = {name: reasons(program).count("periodic") for name, program in programs.items()}
    assert 1 <= saved["dear"] < saved["allowed"]
    assert saved["cheap"] >= 2 * saved["dear"]
