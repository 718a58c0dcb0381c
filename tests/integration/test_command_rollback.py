"""Real programs go back: one process, several ranks, a remote store, and a command that is killed in the middle."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from tests.program import Program, clean_environ, finish

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = """
import sys
from lattice_addons import StateManagerGroup

group = StateManagerGroup()
group.register("history")
group.register("blob")
history = group.get("history") or []
print("found", *history, flush=True)
for step in range(len(history) + 1, len(history) + 1 + int(sys.argv[1])):
    history = [*history, step]
    group.update("history", history)
    group.update("blob", bytes([step % 256]) * 200_000)
    group.save(step=step)
"""
WORLD = 3


def ranks(program: Program, steps: int, run: str, **environ: str) -> list[str]:
    """Start all ranks, and give what each has found."""
    started = [
        program.start(
            str(steps),
            environ={"RANK": str(rank), "WORLD_SIZE": str(WORLD), "LATTICE_RUN_ID": run, **environ},
        )
        for rank in range(WORLD)
    ]
    done = [finish(process) for process in started]
    assert all(each.returncode == 0 for each in done), [each.stderr for each in done]
    return [each.stdout.splitlines()[0] for each in done]


def lattice(*words: str, cwd: Path, environ: dict[str, str], status: int = 0) -> Any:
    """Run a command that answers in JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "lattice_addons.cli", *words, "--json"],
        cwd=cwd,
        env=clean_environ(**environ),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == status, done.stderr
    return json.loads(done.stdout) if not status else done.stderr


def number_of(store: Path, step: int) -> int:
    """Give the number of the first rank's newest checkpoint of a step."""
    for path in sorted(store.glob("program/rank-00000/checkpoints/*.json"), reverse=True):
        found = json.loads(path.read_bytes())
        # What a rank saves at its end may be of a moment that the others have not.
        counts = found.get("part", {}).get("counts", True)
        if counts and len(found["slots"]["history"]["value"]) == step:
            return int(found["number"])
    raise AssertionError(step)


CONFIG = "keep=20"


def test_all_ranks_start_from_the_older_instant(tmp_path: Path) -> None:
    """Also after a command that was killed: then from the old place or the new one, and all from the same."""
    program = Program(tmp_path, SOURCE)
    config = {"LATTICE_CHECKPOINT_CONFIG": CONFIG}
    assert ranks(program, 4, "first", **config) == ["found"] * WORLD
    number = number_of(program.root, 2)
    rows = lattice("rollback", "program", str(number), cwd=tmp_path, environ=config)
    assert [row["rank"] for row in rows] == [0, 1, 2]
    assert ranks(program, 1, "second", **config) == ["found 1 2"] * WORLD
    # What was left behind is still there, and can be gone back to.
    lattice("rollback", "program", str(number_of(program.root, 4)), cwd=tmp_path, environ=config)
    assert ranks(program, 0, "third", **config) == ["found 1 2 3 4"] * WORLD

    number = number_of(program.root, 1)
    begun = time.monotonic()
    command = [sys.executable, "-m", "lattice_addons.cli", "rollback", "program", str(number)]
    subprocess.run(
        [*command, "--dry-run"], cwd=tmp_path, env=clean_environ(**config), check=True, capture_output=True
    )
    took = time.monotonic() - begun
    for share in (0.7, 0.85, 1.0):
        process = subprocess.Popen(
            command, cwd=tmp_path, env=clean_environ(**config), stdout=subprocess.DEVNULL
        )
        time.sleep(share * took)
        process.send_signal(signal.SIGKILL)
        process.wait()
    (found,) = set(ranks(program, 0, "fourth", **config))
    assert found in ("found 1", "found 1 2 3 4")
    lattice("rollback", "program", str(number), cwd=tmp_path, environ=config)
    assert ranks(program, 0, "fifth", **config) == ["found 1"] * WORLD
    assert lattice("verify", cwd=tmp_path, environ=config)["damaged"] == []


def test_a_running_rank_keeps_all_where_they_are(tmp_path: Path) -> None:
    """The command refuses before it has touched the ranks that do not run."""
    program = Program(tmp_path, SOURCE + "\nif group.get('history'): sys.stdin.read()\n")
    config = {"LATTICE_CHECKPOINT_CONFIG": CONFIG}
    process = program.start("3", environ=config)
    assert process.stdout is not None
    assert process.stdout.readline() == "found\n"
    while len(program.checkpoints()) < 3:
        time.sleep(0.02)
    before = program.checkpoints()
    told = lattice("rollback", "program", "1", cwd=tmp_path, environ=config, status=75)
    assert "is written by process" in told
    assert "Traceback" not in told
    assert program.checkpoints() == before
    finish(process)


def test_a_remote_store_has_it_when_the_command_ends(tmp_path: Path) -> None:
    """Through the spool, and sent: another machine, with a spool of its own, carries on from there."""
    program = Program(tmp_path, SOURCE)
    where = f"root=file://{tmp_path}/bucket,{CONFIG},spool="
    first = {"LATTICE_CHECKPOINT_TYPE": "fsspec", "LATTICE_CHECKPOINT_CONFIG": f"{where}{tmp_path}/one"}
    second = first | {"LATTICE_CHECKPOINT_CONFIG": f"{where}{tmp_path}/two"}
    assert program.run("3", environ=first).returncode == 0
    number = number_of(tmp_path / "bucket", 2)
    (row,) = lattice("rollback", "program", str(number), cwd=tmp_path, environ=second)
    assert (tmp_path / f"bucket/program/rank-00000/checkpoints/{row['checkpoint']:012d}.json").exists()
    done = program.run("0", environ=first)
    assert done.stdout.splitlines()[0] == "found 1 2", done.stderr
