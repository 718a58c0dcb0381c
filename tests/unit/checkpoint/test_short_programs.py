"""Programs that end before any thread of theirs has had a turn leave no more checkpoints than they should."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.program import Program

if TYPE_CHECKING:
    from pathlib import Path

# What is done in a moment at the end is as much as there is time for: here there is enough, however busy the machine.
PATIENT = """
    from lattice_addons.checkpoint import _tidy

    _tidy._AT_EXIT = 100.0
"""
HYPERSTATE = """
    from dataclasses import dataclass
    from lattice_addons.hyperstate import HyperState

    @dataclass
    class Config:
        lr: float = 0.1

    @dataclass
    class State:
        step: int = 0

    run = HyperState.load(Config, State, lambda config: State(), "config.yaml", ".lattice", "step")
    for _ in range(6):
        run.state.step += 1
        run.step()
    print(run.state.step)
"""
GROUP = """
    from lattice_addons import StateManagerGroup

    group = StateManagerGroup()
    group.register("n")
    for n in range(6):
        group.update("n", n)
        group.save()
"""


def test_a_hyperstate_that_is_never_closed(tmp_path: Path) -> None:
    """It saves nothing at its end, and has what retention does not keep removed all the same."""
    (tmp_path / "config.yaml").write_text("lr: 0.5\n")
    program = Program(tmp_path, PATIENT + HYPERSTATE)
    for end in (6, 12):
        assert program.run().stdout == f"{end}\n"
        numbers = [int(path.stem) for path in program.checkpoints()]
        # And the one that it began with, which it may read from until its end.
        assert [n for n in numbers if n != end - 6] == [end - 2, end - 1, end]


def test_a_group_that_does_not_save_at_exit(tmp_path: Path) -> None:
    """As with ``atexit_saving=disabled``."""
    program = Program(tmp_path, PATIENT + GROUP)
    assert program.run(config="atexit_saving=disabled,keep=2").returncode == 0
    assert [path.stem for path in program.checkpoints()] == ["000000000005", "000000000006"]
