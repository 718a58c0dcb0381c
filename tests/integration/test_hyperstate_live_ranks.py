"""A change of the config reaches every rank of a running job."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from lattice_addons.cli import main
from tests.program import Program, finish, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

PROGRAM = """
    import os, time
    from dataclasses import dataclass
    from lattice_addons.hyperstate import HyperState

    @dataclass
    class Config:
        lr: float = 0.1

    @dataclass
    class State:
        step: int = 0

    run = HyperState.load(Config, State, lambda config: State(), "config.yaml", ".lattice", "step")
    print("loaded", flush=True)
    while not os.path.exists("stop"):
        run.state.step += 1
        run.step()
        time.sleep(0.02)
    print("lr", run.config.lr)
"""


def test_all_ranks_or_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each answers for itself, and a refusal of any is the status; ``--rank`` asks one alone."""
    (tmp_path / "config.yaml").write_text("lr: 0.5\n")
    program = Program(tmp_path, PROGRAM, "train.py")
    common = {"WORLD_SIZE": "2", "LATTICE_RUN_ID": "first"}
    ranks = [program.start(environ=common | {"RANK": str(rank)}) for rank in range(2)]
    for process in ranks:
        wait_for(process, "loaded")
    command = ["set", "--root", str(program.root), "--wait", "100", "--json", "train"]

    assert main([*command, "lr=0.25"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(each["rank"], each["accepted"]) for each in told] == [(0, True), (1, True)]
    assert main([*command, "lr=high"]) == 64
    assert [each["accepted"] for each in json.loads(capsys.readouterr().out)] == [False, False]
    assert main([*command, "--rank", "1", "lr=0.125"]) == 0
    assert json.loads(capsys.readouterr().out)["rank"] == 1

    (tmp_path / "stop").touch()
    assert [finish(process).stdout for process in ranks] == ["lr 0.25\n", "lr 0.125\n"]
