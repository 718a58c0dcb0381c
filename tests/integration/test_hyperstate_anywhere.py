"""A HyperState whose checkpoints are in a bucket carries on on another machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.program import Program

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.servers import Bucket

PROGRAM = """
    import sys
    from dataclasses import dataclass
    from lattice_addons.hyperstate import Blob, HyperState

    @dataclass
    class Config:
        lr: float = 0.1

    @dataclass
    class State:
        step: int
        table: Blob[bytes]

    run = HyperState.load(Config, State, lambda config: State(0, Blob(b"")), "config.yaml", sys.argv[1], "step")
    print("loaded", run.state.step, run.config.lr, run.state.table.get().decode(), flush=True)
    for _ in range(2):
        run.state.step += 1
        run.state.table.set(b"x" * run.state.step)
        run.step()
"""


def run_on(machine: str, tmp_path: Path, s3: Bucket) -> tuple[str, str]:
    """Run the program with a spool of its own; give what it prints and what it is warned of."""
    (tmp_path / "config.yaml").write_text("lr: 0.5\n")
    program = Program(tmp_path, PROGRAM, "train.py")
    config = f"spool={tmp_path / machine},grace=60,opt.endpoint_url={s3.options['endpoint_url']}"
    done = program.run(s3.root, environ=s3.environ | {"LATTICE_CHECKPOINT_CONFIG": config}, timeout=200)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_another_machine(tmp_path: Path, s3: Bucket) -> None:
    """`checkpoint_dir` is a URL; each machine has a spool of its own, and all is up when the program has ended."""
    found = [run_on(machine, tmp_path, s3)[0] for machine in ("one", "two")]
    assert found == ["loaded 0 0.5 \n", "loaded 2 0.5 xx\n"]


def test_what_is_damaged_there_is_not_used(tmp_path: Path, s3: Bucket) -> None:
    """A blob of the newest checkpoint was altered in the bucket: the one before goes on, whole, with a warning."""
    run_on("one", tmp_path, s3)
    newest = max(key for key in s3.keys("train/rank-00000/packs/"))
    data = s3.get(newest)
    assert data is not None
    s3.put(newest, data[:-1] + bytes([data[-1] ^ 1]))

    printed, warned = run_on("two", tmp_path, s3)
    assert printed == "loaded 1 0.5 x\n"
    assert "went back from checkpoint 2 to 1" in warned
