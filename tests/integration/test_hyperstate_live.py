"""The config of a real running program is changed without a restart."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from lattice_addons.cli import main
from tests.program import Program, finish, wait_for

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

PROGRAM = """
    import logging, os, sys, time
    from dataclasses import dataclass, field
    from lattice_addons.hyperstate import HyperState, fixed

    logging.basicConfig(format="%(message)s")

    @dataclass
    class Optimizer:
        lr: float = 0.1

    @dataclass
    class Config:
        optimizer: Optimizer = field(default_factory=Optimizer)
        batch: int = 8
        seed: int = fixed(1)

    @dataclass
    class State:
        step: int = 0

    run = HyperState.load(Config, State, lambda config: State(), "config.yaml", ".lattice", "step")
    mine = run.config.optimizer
    print("loaded", run.state.step, mine.lr, flush=True)
    while not os.path.exists("stop"):
        run.state.step += 1
        run.step()
        print("lr", mine.lr, "batch", run.config.batch, flush=True)
        time.sleep(0.02)
"""


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """Make a program and its config."""
    (tmp_path / "config.yaml").write_text("optimizer:\n  lr: 0.5\nbatch: 8\n")
    return Program(tmp_path, PROGRAM, "train.py")


@pytest.fixture
def running(program: Program) -> Iterator[subprocess.Popen[str]]:
    """Start it, and end it well."""
    process = program.start()
    wait_for(process, "loaded 0 0.5")
    yield process
    (program.folder / "stop").touch()
    if process.poll() is None:
        finish(process)
    assert process.returncode == 0


def ask(program: Program, capsys: pytest.CaptureFixture[str], *overrides: str) -> tuple[int, dict[str, Any]]:
    """Ask for a change; a loaded machine may take its time to answer."""
    root = ["--root", str(program.root), "--wait", "100", "--json"]
    status = main(["set", *root, "train", *overrides])
    return status, json.loads(capsys.readouterr().out)


def test_set(program: Program, running: subprocess.Popen[str], capsys: pytest.CaptureFixture[str]) -> None:
    """It is taken over at the next step, by the objects that the program has, and stands in the log."""
    status, told = ask(program, capsys, "optimizer.lr=0.05", "batch=4")
    assert (status, told["accepted"]) == (0, True)
    assert "set optimizer.lr: 0.5 → 0.05" in told["message"]
    wait_for(running, "lr 0.05 batch 4")
    # Retention may have deleted the checkpoint of that very step by now: it is kept by whoever wants the whole log.
    assert main(["show", "--root", str(program.root), "train", "config"]) == 0
    assert '"lr": 0.05' in capsys.readouterr().out


def test_what_is_set_is_in_the_log(program: Program, capsys: pytest.CaptureFixture[str]) -> None:
    """With the old value, the time, and who asked; a restart goes on with the new value."""
    process = program.start(config="keep=100000")
    wait_for(process, "loaded 0 0.5")
    assert ask(program, capsys, "optimizer.lr=0.25")[0] == 0
    (program.folder / "stop").touch()
    finish(process)
    assert main(["log", "--root", str(program.root), "--json"]) == 0
    notes = [note for row in json.loads(capsys.readouterr().out) for note in row["notes"]]
    (note,) = notes
    assert note.startswith("set optimizer.lr: 0.5 → 0.25 (20")
    assert " by " in note
    again = program.run()
    assert again.stdout.endswith(" 0.25\n")


REFUSED = {
    "optimizer.lr=high": "optimizer.lr",
    "optimizer.rl=1": "it has lr",
    "seed=7": "seed is fixed",
    "batch=1.5": "expected an int",
}


def test_what_does_not_fit_is_refused(
    program: Program, running: subprocess.Popen[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """All of it: nothing is half taken over. The command tells why, and the run goes on."""
    for override, why in REFUSED.items():
        status, told = ask(program, capsys, "batch=4", override)
        assert (status, told["accepted"]) == (64, False), override
        assert why in told["message"]
    (program.folder / "stop").touch()
    printed = finish(running).stdout.splitlines()
    assert set(printed) == {"lr 0.5 batch 8"}


def test_an_edit_of_the_file(program: Program, running: subprocess.Popen[str]) -> None:
    """What was changed counts, and only that; what cannot be read is passed over until it can."""

    def edit(text: str) -> None:
        """In one step, as editors do: of half a file the other values would be the defaults."""
        (program.folder / "new.yaml").write_text(text)
        (program.folder / "new.yaml").replace(program.folder / "config.yaml")

    edit("optimizer:\n  lr: [0.5\nbatch: 8\n")
    for _ in range(2):
        wait_for(running, "lr 0.5 batch 8")
    edit("optimizer:\n  lr: 0.125  # smaller\nbatch: 8\n")
    wait_for(running, "lr 0.125 batch 8")


def test_nobody_runs(program: Program, capsys: pytest.CaptureFixture[str]) -> None:
    """Then the command says what to do instead, and leaves nothing behind."""
    (program.folder / "stop").touch()
    program.run()
    process = program.start()
    finish(process)
    (program.folder / "stop").unlink()
    process = program.start()
    wait_for(process, "lr 0.5 batch 8")
    process.kill()
    finish(process)
    deadline = time.monotonic() + 120
    while main(["set", "--root", str(program.root), "train", "batch=2", "--wait", "0"]) != 66:
        assert time.monotonic() < deadline
    assert "lattice edit train" in capsys.readouterr().err
    assert not list(program.root.rglob("requests/*"))
